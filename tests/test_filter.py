"""Chapter 11's rules: each removes its example and keeps its near miss, and stops when it is switched off."""

import pytest

from histlm.filter import RULES, FilterError, FilterSettings, cut, filter_text
from histlm.sample import sample_documents

BEFORE = ('The King went down to Windsor with his dogs and two of his gentlemen, and there stayed till the Friday, '
          'and was merry with them at supper.')
AFTER = ('On the Friday he came back to Whitehall in the rain, and would see no man, but read a book of sermons by '
         'the fire till the candle was out.')
DOCUMENT_RULES = ('date', 'edition', 'modern', 'short')


def with_context(example):
    "An example among clean paragraphs; many of them, so that the rules about whole documents stay quiet."
    return '\n\n'.join([BEFORE] + [f'{AFTER} So passed day the {n}.' for n in 'ABCDEF'] + [example]
                       + [f'{BEFORE} So passed week the {n}.' for n in 'ABCDEF'] + [AFTER])


def without(name):
    "Settings with one rule switched off."
    return FilterSettings(rules=frozenset(RULES) - {name})


@pytest.mark.parametrize('name', [n for n in RULES if n not in DOCUMENT_RULES])
def test_block_rule(name):
    rule = RULES[name]
    before = with_context(rule.removes) if name != 'repeated' else with_context(rule.removes + '\n\n' + BEFORE + ' Again.\n\n' + rule.removes)
    found = filter_text(before)
    assert [r.rule for r in found.removed] == [name] and not found.verdict
    assert cut(before, found.removed) == found.text
    assert rule.removes.strip() in found.removed[0].text or name == 'repeated'
    assert found.text == with_context(rule.removes).replace(rule.removes + '\n\n', '') or name == 'repeated'
    off = filter_text(before, settings=without(name))
    assert name not in {r.rule for r in off.removed} and rule.removes in off.text
    near_miss = with_context(rule.keeps)
    assert filter_text(near_miss).text == near_miss


@pytest.mark.parametrize('name', DOCUMENT_RULES)
def test_document_rule(name):
    rule = RULES[name]
    pad = with_context('It rained.') if name in ('date', 'edition') else ''
    text = pad or rule.removes
    found = filter_text(text, rule.removes_meta)
    assert (found.verdict, found.text) == (name, '')
    assert ''.join(r.text for r in found.removed) == text and found.removed[0].rule == name
    assert filter_text(text, rule.removes_meta, without(name)).verdict != name
    assert filter_text(pad or rule.keeps, rule.keeps_meta).verdict != name


def test_clean_control():
    dirty = [(d.id, r) for d in sample_documents(1_000_000) for r in filter_text(d.text, {'year': d.year}).removed]
    assert dirty == []


def test_all_off_is_identity():
    text = with_context('\n\n'.join(r.removes for r in RULES.values()))
    assert filter_text(text, dict(year=1999), FilterSettings(rules=frozenset())).text == text


@pytest.mark.parametrize('bad', [dict(rules=frozenset(['nonsense'])), dict(first=1900, cutoff=1850)])
def test_settings_refused(bad):
    with pytest.raises(FilterError): FilterSettings(**bad)


@pytest.mark.parametrize('text', ['', ' ', '\n\n', '\n\n\n\n', '\ud800', '\0' * 50, 'x' * 100_000, '[' * 20_000,
                                  'a.' * 20_000, '{ } ' * 9_000, 'Printed for ' * 3_000, 'in 1901, ' * 3_000,
                                  'é\u0301 ' * 5_000, '\u202e' * 99, 'one\n\n\n\n\n\ntwo'])
def test_hostile(text):
    found = filter_text(text)
    assert cut(text, found.removed) == found.text
