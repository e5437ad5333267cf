"The normaliser's promises: golden pairs, each failing when its rule is off; idempotent; undone by its log; clean text untouched."
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from histlm.normalise import (LETTER_MARKS, LINE_MARKS, RULES, Lexicon, NormaliseError, NormaliseOptions, build_lexicon, fill_word,
                              is_quiet, normalise, period_lexicon, undo)
from histlm.sample import sample_documents

GOLDEN = [  # rule, raw, what a careful editor wants
    ('mojibake', 'He â€œspokeâ€\x9d of the Ã†neid for Â£5.', 'He “spoke” of the Æneid for £5.'),
    ('mojibake', 'tis CÃ¦sarâ€™s', 'tis Cæsar’s'),
    ('mojibake', 'the houâ—Še of a manÌ„er', 'the house of a manner'),
    ('invisible', 'a cer\xad tain per\u00adson\u200b', 'a certain person'),
    ('nfc', 'a cafe\u0301', 'a café'),
    ('long_s', 'ſuch Buſineſs', 'such Business'),
    ('ligatures', 'the oﬃcer’s ﬁne', 'the officer’s fine'),
    ('sorts', 'Ʋpon my word', 'Upon my word'),
    ('initials', 'WHat is loue?\n\nIris. TIs nothing.', 'What is loue?\n\nIris. Tis nothing.'),
    ('superscripts', 'yᵉ Lord wᶜʰ art; Matⁱᵉ', 'the Lord which art; Matie'),
    ('brevigraphs', 'the ꝑish and ꝓperty', 'the parish and property'),
    ('macrons', 'whō god hath cōmaunded', 'whom god hath commaunded'),
    ('line_marks', 'the pro∣vinces and Coun¦tries', 'the provinces and Countries'),
    ('line_marks', 'to∣morrow I will dis∣\ncourse', 'to-morrow I will discourse'),
    ('line_hyphens', 'in his pro-\nvinces, as', 'in his provinces,\nas'),
    ('gaps', 'the [...] of 〈◊〉 men, [---] who', 'the — of — men, who'),
    ('gaps', 'in the Kin•dom', 'in the Kingdom'),
    ('gaps', 'they haue, and ha•e it', 'they haue, and haue it'),
    ('spaces', ' two\u00a0 words \r\nand', 'two words\nand'),
]
OPTIONAL = [
    ('quotes', '“’Tis”', '"\'Tis"', dict(quotes='straight')),
    ('dashes', 'so--well', 'so—well', dict(dashes='em')),
    ('uv', 'we haue', 'we have', dict(uv=True)),
    ('ocr', 'fuch tbings', 'such things', dict(ocr=True)),
]
MODERN = ('modern class, the clock burned', 'The numbers 1, 5, 0 and 15.0 (150%) survive.', 'It’s 50/50 – see §3, p. 10–15: “fine”.',
          'A well-known, first- or second-rate co-op; e.g. x² + y² = 10⁴.', 'naïve café, São Paulo, Gwŷr, Señor Ñuñez, Ἀθῆναι, œuvre, Cæsar',
          'He said… [aside] “No!” (twice) — and {left} <b>', 'verse one,\nverse two\n\nverse three', 'if a | b then * * * else 3 < 4 > 2',
          'the f in fish, the s in sins, learn and modern burn', 'Lord B—— and Mrs. ⸺ of 17—')
PIECES = st.sampled_from([*'abeinost ſ∣¦•▪●◊…〈〉[]{}-—ōēñãŏ\n\n  \t\r\xa0\xad\u200b\u0301\u0304âÃ©€™’‘”.,:15|=¬', 'the', 'pro', 'vinces', 'to', 'day', '[...]',
                          '[---]', '[x]', '〈…〉', '- ', '-\n', 'â€™', 'Ã©', 'yᵉ', 'wᶜʰ', 'ꝑ', '{que}', '<gap/>', 'cōm', 'ﬁ', 'Ʋ', '\u2028', '\x85', 'Â '])
TEXTS = st.one_of(st.lists(PIECES, max_size=40).map(''.join), st.text(max_size=60))
THOROUGH = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize('rule, raw, wanted', GOLDEN)
def test_golden(rule, raw, wanted):
    assert normalise(raw).text == wanted
    assert normalise(raw, NormaliseOptions().without(rule)).text != wanted, f'{rule} is not what does it'


@pytest.mark.parametrize('rule, raw, wanted, options', OPTIONAL)
def test_golden_of_options(rule, raw, wanted, options):
    assert normalise(raw).text == raw
    options = NormaliseOptions(**options)
    assert normalise(raw, options).text == wanted
    assert normalise(raw, options.without(rule)).text == raw


def test_every_rule_is_judged():
    assert {r for r, *_ in GOLDEN} == {n for n, r in RULES.items() if r.default}
    assert {r for r, *_ in OPTIONAL} == {n for n, r in RULES.items() if not r.default}
    assert all(r.reason and r.changed and r.kept for r in RULES.values())


@pytest.mark.parametrize('text', MODERN)
def test_modern_text_survives(text):
    assert normalise(text).text == text
    assert normalise(text).changes == []


def test_sample_survives():
    for document in sample_documents(seed=5, n_bytes=400_000):
        set_tight = '\n'.join(' '.join(line.split()) for line in document.text.strip().split('\n'))  # no columns, no indents
        text = set_tight.replace('ſ', 's')  # the sample's older documents are printed with the long s
        assert normalise(set_tight).text == text
        assert normalise(text).changes == []


@THOROUGH
@given(TEXTS)
def test_idempotent_undone_and_clean(text):
    n = normalise(text)
    assert undo(n) == text
    assert normalise(n.text) == type(n)(n.text, [])
    assert not set(n.text) & set(LETTER_MARKS + LINE_MARKS + '〈〉ſ\xa0\xad\u200b\t\r')
    assert '[...]' not in n.text and '[---]' not in n.text and '  ' not in n.text and n.text == n.text.strip()
    assert unicodedata.is_normalized('NFC', n.text)
    assert sum(n.bytes_by_rule.values()) == len(text.encode('utf-8', 'surrogatepass')) - len(n.text.encode('utf-8', 'surrogatepass'))


@settings(THOROUGH, max_examples=150)
@given(TEXTS)
def test_options_keep_the_promises(text):
    options = NormaliseOptions(quotes='straight', dashes='em', uv=True, ocr=True)
    n = normalise(text, options)
    assert undo(n) == text
    assert normalise(n.text, options).changes == []


@settings(THOROUGH, max_examples=250)
@given(TEXTS)
def test_quiet_text_gives_no_rule_anything_to_do(text):
    n = normalise(text)
    if is_quiet(n.text): return
    for name in NormaliseOptions().active():  # without the fast path
        assert normalise(n.text, NormaliseOptions(rules=frozenset({name}))).changes == [], name


@settings(THOROUGH, max_examples=150)
@given(TEXTS, st.lists(st.sampled_from(['provinces', 'to-day', 'today', 'pro-vinces', 'thee', 'on']), max_size=5))
def test_any_lexicon(text, words):
    lexicon = Lexicon({w: 50 for w in words})
    n = normalise(text, lexicon=lexicon)
    assert normalise(n.text, lexicon=lexicon).changes == []


def test_log_and_text_belong_together():
    n = normalise('ſuch')
    with pytest.raises(NormaliseError, match='one and the same call'): undo(type(n)('much', n.changes))


def test_stanzas_stay():
    verse = 'Of Man’s firſt Diſobedience,\nand the Fruit\n〈…〉\n\n• ◊\n\nWith loſs of E∣den,\n[---]\ntill one greater Man'
    assert normalise(verse).text == 'Of Man’s first Disobedience,\nand the Fruit\n\nWith loss of Eden,\ntill one greater Man'
    assert normalise('the [...] of it', NormaliseOptions(gap='')).text == 'the of it'


def test_bad_requests_are_named():
    with pytest.raises(NormaliseError, match="'longs'.*there are mojibake"): NormaliseOptions(rules=frozenset({'longs'}))
    with pytest.raises(NormaliseError, match='choose one of keep, straight'): NormaliseOptions(quotes='french')
    with pytest.raises(NormaliseError, match='no rule is called'): NormaliseOptions().without('gap')


def test_lexicon_holds_whole_words_only():
    lexicon = build_lexicon(['the pro∣vinces, b•tter, con- cern’d', 'the whole'], min_documents=2)
    assert lexicon.counts == {'the': 2}
    assert period_lexicon().count('PROVINCES') > 100 and not period_lexicon().count('pro∣vinces')
    assert fill_word('pro?inces', period_lexicon()) == 'v' and fill_word('??', period_lexicon()) is None
