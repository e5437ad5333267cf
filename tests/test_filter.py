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


# What the archives taught: a passage of the period that a draft of the rules removed, and its modern look-alike.
GOLDEN = [
    ('boilerplate', 'Scanned by the eyes of this intelligence, your path will be without pits to swallow, or snares to entangle you.',
     'Scanned by the Internet Archive from the copy of a library in Toronto.'),
    ('boilerplate', 'Printed for John Bell British Library Strand London. Jany. 21st. 1782', 'UNIVERSITY OF TORONTO LIBRARY. 1882'),
    ('boilerplate', "Rymer's Unprinted Papers, British Museum, No. 4610, art. 67.", 'HARVARD COLLEGE LIBRARY. Gift of 1874. 4610'),
    ('modern advert', 'We observe from an advertisement in the newspapers, that her smiles shall kindle in every heart the flame of hope.',
     'Best-selling paperback! Now also for Kindle, with free delivery to every reader.'),
    ('modern advert', 'GOLD MEDAL, for the best English essay on a perpetual union, as the advertisement here inserted relates.',
     'Prize medal, Great Exhibition, 1862: established 1790, the matchless soap for the nursery.'),
    ('editor', 'See the note in the Harleian MSS. 2013, and the author of the preface to the second volume, in the British Museum.',
     'See the note of the editor of 1913, and the preface to the second volume, in the British Museum.'),
    ('editor', 'The learned, though confused, Dissertation on Obelisks, inserted in the fourth volume of Graevius, p. 1897—1936.',
     'The learned, though confused, dissertation of the editor, inserted in the fourth volume, in 1897.'),
    ('anachronism', 'If the two houses should betray the national trust, every wise man would telegraph his fears by his looks.',
     'If the two houses should betray the nation, every wise man would send a telegram to his friends.'),
    ('boilerplate', 'I dated my letter from the British Museum, 17 February, 1799.', 'BRITISH MUSEUM 7 AP 82'),
    ('editor', "If these observations on our new editor's notes appear to be worth your notice, you are welcome to publish them.",
     'The manuscript is now in the British Library, and these readings are taken from it. — Editor’s note.'),
    ('editor', 'The verb gains a syllable in every edition of the grammar, and its critics write settle, settle-er, and settle-ed.',
     'The verb stands thus in the folio of the British Museum, and the quarto has it so. —ED.'),
    ('editor', 'He sold the manuscript of his author, with the notes, to the bookseller for 1860 l. and was content.',
     'So Macaulay, in his History; but see the paper of Mr. Oppenheim in the Archæologia for 1882.'),
]


@pytest.mark.parametrize('rule, period, modern', GOLDEN)
def test_golden(rule, period, modern):
    assert filter_text(with_context(period)).removed == []
    found = filter_text(with_context(modern))
    assert [(r.rule, r.text.strip()) for r in found.removed] == [(rule, modern)]


def pieces(name, text, meta=None):
    "What one rule removed, without the white space around it."
    return [r.text.strip() for r in filter_text(text, meta).removed if r.rule == name]


def test_own_date():
    "A word of 1835 is too late for a text of 1720, not for one of 1840, and not where the text itself names later years."
    text = with_context('The whole affair was reported by telephone to the town, and nobody was the wiser for it.')
    assert pieces('anachronism', text, dict(year=1720)) == ['The whole affair was reported by telephone to the town, and nobody was the wiser for it.']
    for meta in (dict(year=1840), dict(year=1720, edition_year=1840), {}): assert filter_text(text, meta).text == text
    later = text + '\n\nIt was begun in 1839, left off in 1841, and ended in 1844.'
    assert filter_text(later, dict(year=1720)).text == later


def test_advert_begins_before_its_formula():
    leaf = ('A compleat catalogue of modern books may be seen at the shop, where the utmost value is given for old ones.',
            'BOOKS printed for and sold by W. Owen, at the Oxford Arms in Fleet-street.')
    assert pieces('advert', with_context('\n\n'.join(leaf))) == list(leaf)
    line = 'The second edition, corrected, of Sermons upon several Occasions, in three volumes. Printed for R. Baldwin, and sold by the booksellers.'
    assert pieces('advert', with_context(f'{line}\nJust published, price 6d., stitched, the Laws of Trade.'))[0].startswith('The second edition')
    honest = 'I asked for the second edition of his Sermons, and the bookseller had it not.'
    assert filter_text(with_context(f'{honest}\n\n{leaf[1]}')).text == with_context(honest)


def test_notice_among_sentences():
    stamp = 'HARVARD COLLEGE LIBRARY FROM THE BEQUEST OF CHARLES Jones CLASS OF 1862'
    assert pieces('boilerplate', with_context(f'{BEFORE} {stamp} {AFTER}')) == [stamp]
    assert pieces('boilerplate', with_context(f'Lost to Miss Price at cards. Digitized by Google')) == ['Digitized by Google']
    verse = 'O hark you masons, hark and hear,\nAnd made the steeple ring.'
    assert filter_text(with_context(f'{verse}\nPhoto-lithographed from the original, 1985.')).text == with_context(verse)


def test_preface_signed_late_and_closed_by_the_title():
    signed = 'PREFATORY NOTE.\n\nThe tract is rare, and no copy was to be had.\n\nH. S. KERSHAW. The Rectory, Advent 1873.\n\n'
    title = 'REMAINS UPON DIVERS SUBJECTS.\nBy Jane Steele.\nEdinburgh: Printed for A. Millar, at the Oxford Arms, 1719.\n\n'
    body = with_context('It rained.')
    assert filter_text(signed + title + body).text == title + body
    assert filter_text(signed.replace('1873', '1773') + title + body).removed == []


def test_note_inside_a_paragraph():
    note = '[17] This custom was still kept up when the present Editor was curate there in 1881.'
    assert pieces('editor', with_context(f'A sermon of industry, preached at St. Andrew’s. {note}')) == [note]


def test_trial_number_and_surname():
    trial = ('2038. WILLIAM WILKINSON was indicted for stealing, on the 1st of July, 1 watch, the goods of Lucy Blog. GUILTY. Aged 20.\n\n'
             'LUCY BLOG. I am a widow, and live in the Strand; I lost the watch on the 1st of July.')
    assert filter_text(trial, dict(year=1842)).text == trial


def test_introduction_of_the_period():
    text = with_context(f'INTRODUCTION.\n\n{BEFORE}\n\nOf these things see Harleian MSS. 2014, and the Rolls.\n\n{AFTER}')
    assert filter_text(text).removed == []
    modern = with_context(f'INTRODUCTION.\n\n{BEFORE} Here.\n\nThis edition, with the editor’s notes, was begun in 1904.\n\n{AFTER} There.\n\nCHAPTER I.')
    gone = ''.join(r.text for r in filter_text(modern).removed)
    assert gone.startswith('INTRODUCTION.') and gone.rstrip().endswith('There.')


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


def test_section_needs_fresh_evidence():
    "A preface of 1823 is not convicted by a note far below it, and a modern one not continued without end."
    old = 'PREFACE.\n\nI send these sheets abroad at the desire of my friends.\n\nFrom my lodging in the Strand, October 22, 1823.\n\n'
    body = '\n\n'.join(f'{AFTER} So passed day the {n}.' for n in 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')
    note = 'The house was pulled down in 1904; see the note of the editor.'
    assert pieces('editor', f'{old}{body}\n\n{note}\n\n{body}') == [note]
    modern = f'PREFACE.\n\nThe tract was reprinted for the friends of the author in 1904.\n\n{body}\n\n{body} End.'
    assert len(''.join(r.text for r in filter_text(modern).removed).split('\n\n')) <= 4 and not filter_text(modern).verdict
