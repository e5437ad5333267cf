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
    ('anachronism', 'The computer of the almanack had done his sums from the data of Mr. Flamsteed, and kept them in his memory.',
     'The computer of the office had lost every file of the year, and nobody could say why it was.'),
    ('anachronism', 'She had her royals and skyscrapers set, and so came up with the Frenchman before it was night.',
     'The skyscraper was of forty floors, and from it he saw the whole of the town before it was night.'),
    ('editor', 'He came home in the Advent of 1773, and sent the manuscript, with the notes, to the editor of the quarto.',
     'He sent the manuscript, with the notes, to the present editor of the quarto, in Advent 1873.'),
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
    text = with_context('A telephone was set up in the town for all to hear, and nobody was the wiser for it.')
    assert pieces('anachronism', text, dict(year=1720)) == ['A telephone was set up in the town for all to hear, and nobody was the wiser for it.']
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


OLD_PRINT = '\n\n'.join(f'The {a} that stands in {b} is let to a Taylor of Ludgate for {n} Pounds, and he hath the Key.' for n, (a, b) in enumerate(
    (a, b) for a in ('House', 'Shop', 'Cellar', 'Chamber') for b in ('Cheapside', 'Holborn', 'the Strand', 'Cornhill')))


def test_sentences_beside_a_convicted_one():
    "In a text with old printing a sentence that could be of today goes with its convicted neighbour; the old ones stay."
    block = ('Truelove. Why dost thou weep? Nobody in the house had slept. A telegram had come to the hotel at noon. They waited till the evening. '
             'Lovewell. Because a Man may lose his Chair and find his Pride.')
    text = f'{OLD_PRINT}\n\n{block}'
    assert pieces('anachronism', text) == ['Nobody in the house had slept. A telegram had come to the hotel at noon. They waited till the evening.']
    assert filter_text(text.replace('telegram', 'letter')).removed == []
    lines = f'{OLD_PRINT}\n\nTruelove. Thou hast it.\nIt stood beside the table and the\nvacuum cleaner.\nLovewell. Not for two Pounds.'
    assert pieces('anachronism', lines) == ['It stood beside the table and the\nvacuum cleaner.']


def test_late_to_the_year():
    "Fifty years after the text's own date, to the year: a company of 1836 is too late for 1781, and not for 1790."
    note = 'It is now the property of the Great Northern Railway, and nobody may see it.'
    assert pieces('anachronism', with_context(note), dict(year=1781)) == [note]
    assert filter_text(with_context(note), dict(year=1790)).removed == []


def test_notes_one_by_one():
    two = ('* This custom was still kept up when the present Editor was curate there in 1872. '
           '* This custom was still kept up when the present Editor was curate there in 1894.')
    assert pieces('editor', with_context(two)) == [two]
    diary = f"Monday, March 17. {BEFORE} At which I was † See the paper of the editor in the Archæologia for 1882. — Ed. much pleased, and so to bed."
    assert pieces('editor', with_context(diary)) == ['† See the paper of the editor in the Archæologia for 1882. — Ed.']
    verse = 'He sold his Cow, he sold his Horse,\nAll in a stout green Gown;\nThe next that came was a Carpenter,\n1947, plate 290.'
    assert pieces('editor', with_context(verse)) == ['1947, plate 290.']


def test_a_note_convicts_no_preface():
    "A modern note under an old preface goes alone; a modern signature takes the preface above it along."
    old = f'PREFACE.\n\nI send these sheets abroad at the desire of my friends.\n\n* See the editor of 1913, and the museum.\n\n{BEFORE} Here.\n\nCHAP. I.'
    assert pieces('editor', with_context(old)) == ['* See the editor of 1913, and the museum.']
    words = 'The following pages are printed from a small quarto volume; the present editor has added an index.'
    assert pieces('editor', f'{words}\n\nG. L. HAZELTINE. Lincoln’s Inn, May 1902.\n\n{with_context("It rained.")}') == [
        words, 'G. L. HAZELTINE. Lincoln’s Inn, May 1902.']
    run_in = 'INTRODUCTION v\n\nNOTE BY THE EDITOR. For the notes I am indebted to the kindness of a friend.\n\nThe house was pulled down in 1881.\n\n'
    title = 'Printed for J. Roberts, at the Golden Ball in the Strand, MDCCVIII.\n\n'
    assert filter_text(run_in + title + with_context('It rained.')).text == title + with_context('It rained.')


def test_notices_leave_the_broken_word():
    for text, notice in (('And 42 Digitized by Google', 'Digitized by Google'), ('[24]\nWor-\nDigitized by Google', 'Digitized by Google'),
                         (f'{BEFORE} PRESENTED TO THE LIBRARY OF THE UNIVERSITY OF TORONTO by the Misses Hazeltine, 1978',
                          'PRESENTED TO THE LIBRARY OF THE UNIVERSITY OF TORONTO by the Misses Hazeltine, 1978')):
        assert pieces('boilerplate', with_context(text)) == [notice]
    broken = with_context('He came with a picture under a rusDigitized by Google set cloak, and went.')
    assert 'under a rus set cloak' in filter_text(broken).text


def test_advert_without_its_own_formula():
    leaf = ('To be had of W. Owen, in Fleet-street, and of all other booksellers: Poems on divers Subjects; also Sermons, in three volumes.',
            '*** Ready money for any library or parcel of books, at the Golden Ball in Ludgate-street.', 'Where may be had, a Vindication, price 10s. 6d.')
    assert pieces('advert', with_context('\n\n'.join(leaf))) == list(leaf)
    glued = 'Sum of this page, 5 l. 14 s. Where gentlemen may be furnished with Bibles, and all manner of law-books, as cheap as at any place.'
    assert pieces('advert', with_context(f'{glued}\n\nLately published by the same author, price 5s. in boards, Sermons.'))[0].startswith('Where gentlemen')
    alone = ('The second edition, corrected, of Poems. Printed for J. Roberts, and sold by the booksellers of town and country.',
             'The true Anodyne Necklace is to be had at the Two Bibles in the Strand, price 1s. 6d.', 'To be had of W. Owen: a Vindication, in two volumes, price 3s.')
    assert filter_text('\n\n'.join(alone)).verdict == 'advert'
    title = 'The second edition, corrected. Printed for J. Roberts, and sold by the booksellers of town and country.'
    assert filter_text(f'{title}\n\n{with_context("It rained.")}').removed == []


def test_welsh_with_english_looking_words():
    welsh = 'Yr oedd ei lais fel sŵn dyfroedd lawer, a’i wallt yn wyn fel yr eira. Yr oedd y môr a’r tir yn llawn o’i ogoniant ef.'
    assert pieces('foreign', with_context(f'{BEFORE} {welsh} {AFTER}')) == [welsh]


def test_what_is_quoted_stays_with_those_who_quote_it():
    couplet = 'Nec quicquam, nise pondus iners, congestaque eodem\nNon bene junctarum discordia semina rerum.'
    speech = 'Swa. Ich denke du bist ein Heuchler; bistu aber ein Deutscher, so antwort mir in deutscher Sprach.'
    for text in (couplet, speech): assert pieces('foreign', with_context(text)) == []
    assert pieces('foreign', with_context(f'{couplet} {couplet}')) == [f'{couplet} {couplet}']


def test_a_page_that_comes_twice_goes_with_its_short_speeches():
    page = '\n\n'.join(['Cros. So soone?', 'Fer. ' + 'Nay, do not shun our sight, heare vs but now, we will forgiue all our wrongs, with patience row at the vnweldy oare: ' * 3, 'War. I am gone.'])
    text = with_context(page) + '\n\nEnter a Sailor.\n\n' + page + '\n\nExeunt.'
    assert [p.split('.')[0] for p in pieces('repeated', text)] == ['Cros', 'Fer', 'War']
