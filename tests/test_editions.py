"Golden pairs for what a careful editor found in sessions, e-books, Gutenberg files and web pages, and each rule shown failing when it is switched off."
import contextlib
import re

import pytest

from histlm import extract as ex
from histlm import markup, pages
from histlm.extract import extract_file
from histlm.normalise import normalise
from histlm.plant import plant_file

never = re.compile('(?!)')

SESSION = '''<?xml version="1.0" encoding="UTF-8"?><TEI.2><text><body><div0 type="sessionsPaper" id="17740216">
<interp inst="17740216" type="date" value="17740216"/><div1 type="trialAccount" id="t17740216-1"><p>1. Mr. Gearing deposed,</p><p>"that he is an attorney, and</p>
<p>"lives in Basing-lane; that Ann</p><p>"Morris went by his name." I said,</p><p>"Where does she live ?" He said \'\' in Holborn, near \'\' the bars, by \'\' the ma\u2717ket.\'\'</p>
<p>Q.Was it night? - A.Yes.</p><p>"Sir,</p><p>"I am yours,</p><p>"JOHN GUEST."</p></div1>
<div1 type="punishmentSummary" id="s17740216-1"><p>Whipped, 1.</p><div1 type="supplementaryMaterial" id="s17740216-2"><p>John Guest, formerly convicted, was executed.</p></div1></div1>
<div1 type="supplementaryMaterial" id="o17740216-1"><p>John Guest, formerly convicted, was executed.</p></div1></div0></body></text></TEI.2>'''
SESSION_OUT = ['1. Mr. Gearing deposed, "that he is an attorney, and lives in Basing-lane; that Ann Morris went by his name." I said, "Where does she live?" '
               "He said '' in Holborn, near the bars, by the ma\u2022ket.''\n\nQ. Was it night? - A. Yes.\n\n\"Sir,\n\n\"I am yours,\n\n\"JOHN GUEST.\"",
               'John Guest, formerly convicted, was executed.', 'Whipped, 1.']


def test_a_session_reads_in_whole_sentences_and_has_each_list_once():
    found = extract_file(SESSION.encode())
    assert [e.text for e in found] == SESSION_OUT
    assert found[-1].dropped == {'repeated': len(SESSION_OUT[1])}


@pytest.mark.parametrize('name,off', [('continued', lambda *_: ''), ('line_heads', lambda block: block), ('stands_open', lambda *_: False), ('_NAMES', never),
                                      ('_SALUTE', never), ('_NO_SPACE', never), ('_TAG_SPACE', never)])
def test_each_rule_of_a_session_matters(name, off, monkeypatch):
    monkeypatch.setattr(markup, name, off)
    assert extract_file(SESSION.encode())[0].text != SESSION_OUT[0]


ROW = '<tr><td epub:type="z3998:persona">{}</td><td>{}</td></tr>'
DIRECTION = '<i epub:type="z3998:stage-direction">{}</i>'
EPUB = ('<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body><table>'
        + '<tr><td/><td>' + DIRECTION.format('Enter <b>Percy</b>.') + '</td></tr>' + ROW.format('Percy', 'And food for\u2014' + DIRECTION.format('Dies.'))
        + ROW.format('Prince', 'For worms, brave un\u2011happy Percy.') + '</table></body></html>')


def test_directions_of_an_e_book_play_have_their_brackets(monkeypatch):
    assert extract_file(EPUB.encode())[0].text.split('\n\n') == ['Enter Percy.', 'Percy. And food for\u2014 [Dies.]', 'Prince. For worms, brave un-happy Percy.']
    monkeypatch.setitem(markup.EpubCollector.special, 'i', lambda *_: False)
    assert '[Dies.]' not in extract_file(EPUB.encode())[0].text


TYPED = '''The Project Gutenberg EBook of A Diary, by Henry Townsend

*** START OF THIS PROJECT GUTENBERG EBOOK A DIARY ***

Jan. y^e 1^st. The *whole* Parlyam^t mett, & after my L^d. Digby the Bp. of Worc^{r.} was c[=o]mitted; the [OE]conomy was
debated 2 howres. +Sept. 3.+ They marched out [**query] w^th flying colours.

[Sidenote: The Siege
begun.]
The enemy drew up before the towne.

  Imprimis, paid to the bell-ringers when the
    King came through the towne                  0  13   4
  Item, for mending of the stockes and for new
    iron worke about the same                    0   6   8
  Item, given to a poore man                     0   0   6
                                                 --------
                                  Sum total      1   0   6

  +---------+-------+
  | Night.  | Taken |
  +---------+-------+
  | First   | 112 4 |
  +---------+-------+

[*] A trumpeter.



INDEX

  Aylesbury, 3, 17-18

  Black Rod, gentleman usher of the, 1

  Bristoll, plague at, 12, 14 _n._

  Digby, Lord, 1, 4, 22

  Lesly, General, 20-24

End of the Project Gutenberg EBook of A Diary, by Henry Townsend
'''
TYPED_OUT = ['Jan. the 1st. The whole Parlyamt mett, & after my Ld. Digby the Bp. of Worcr. was committed; the \u0152conomy was debated 2 howres. Sept. 3. '
             'They marched out with flying colours.', 'The Siege begun.', 'The enemy drew up before the towne.',
             'Imprimis, paid to the bell-ringers when the King came through the towne 0 13 4\nItem, for mending of the stockes and for new iron worke about '
             'the same 0 6 8\nItem, given to a poore man 0 0 6\nSum total 1 0 6', 'Night. Taken\nFirst 112 4', 'A trumpeter.']


def test_what_a_typewriter_lacks_in_a_gutenberg_file():
    found, = extract_file(TYPED.encode())
    assert normalise(found.text).text.split('\n\n') == TYPED_OUT
    assert found.dropped['index'] > 100 and found.dropped['rule'] > 60


@pytest.mark.parametrize('name,off', [('_CARET', never), ('_TYPED', never), ('_STARRED', never), ('_MARGIN', never), ('_has_sum', lambda line: False),
                                      ('_DRAWN', never), ('index_length', lambda *_: 0),
                                      ('_SIGNS', tuple(s for s in ex._SIGNS if s[0] not in ('note mark', 'transcriber note')))])
def test_each_rule_of_a_typed_book_matters(name, off, monkeypatch):
    monkeypatch.setattr(ex, name, off)
    assert normalise(extract_file(TYPED.encode())[0].text).text.split('\n\n') != TYPED_OUT


WIKI = '''<html><body><main><h1>The Spectator/No. 2</h1><div id="contentSub">Spectator</div><div id="mw-content-text"><div class="ws-noexport">No. 3, by Steele</div>
<p>The first of our Society is a Gentleman of Worcestershire,<a href="#n1">(fn. 1)</a> of antient Descent, a Baronet, his Name Sir Roger de Coverly, and all who know him.</p>
<dl><dd>Tell me true,<dl><dd>Where do you dine?</dd></dl></dd></dl><p>These rascals in their roylynge, disperse them-<br>selves into severall companies, as<br>occasion serueth.</p>
<div class="citation">Cite this page as: The Spectator, accessed 2021.</div><ol><li><a href="#r1">\u2191</a> It was a Dance-tune of the last Age.</li></ol></div></main></body></html>'''
WIKI_OUT = ['The first of our Society is a Gentleman of Worcestershire, of antient Descent, a Baronet, his Name Sir Roger de Coverly, and all who know him.',
            'Tell me true,\nWhere do you dine?', 'These rascals in their roylynge, disperse them\u2223selves into severall companies, as occasion serueth.',
            'It was a Dance-tune of the last Age.']


def test_a_page_of_a_wiki():
    assert extract_file(WIKI.encode())[0].text.split('\n\n') == WIKI_OUT


@pytest.mark.parametrize('name,off', [('_FRAME', re.compile('zzz')), ('_NOTE_MARK', never), ('_CITED', never), ('rejoin', lambda block: block),
                                      ('main_part', lambda body: body)])
def test_each_rule_of_a_wiki_matters(name, off, monkeypatch):
    monkeypatch.setattr(pages, name, off)
    assert extract_file(WIKI.encode())[0].text.split('\n\n') != WIKI_OUT


@pytest.mark.parametrize('kind', ['gutenberg', 'text', 'ecco', 'londonlives', 'tei', 'oldbailey', 'xhtml', 'html', 'pdf'])
def test_every_reason_is_explained(kind):
    given = set()
    for seed in (5200, 5201, 5202):
        with contextlib.suppress(ex.ExtractError):  # some are planted with an encoding that cannot be told
            given |= {reason for e in extract_file(plant_file(kind, seed, n_bytes=6000).raw) for reason in e.dropped}
    assert given <= set(ex.REASONS)


def book_with_notes():
    "Four pages with a large initial and a note in the margin."
    pages_ = []
    for n in range(4):
        rows = [(60, 560 - 13 * k, f'and in the Year {1600 + 20 * n + k} the Clerk went up and down as he was used') for k in range(20)]
        if not n: rows[:2] = [(77, 560, 'VERY Clerk of the Parish went up and down in that Year as he'), (77, 547, 'was used; and nobody knew where he had it')]
        pages_.append([(60, 546, 'E', 24)] * (not n) + [(x, y, t, 10) for x, y, t in rows]
                      + [(380, 500 - 7 * k, t, 6) for k, t in enumerate(('The Plague', 'came into', 'the City.'))])
    return sized_pdf(pages_)


def sized_pdf(pages_, width=450, height=600):
    "A PDF of pages, each a list of (x, y, text, size)."
    objects = ['<</Type /Catalog /Pages 2 0 R>>', None, '<</Type /Font /Subtype /Type1 /BaseFont /Times-Roman /Encoding /WinAnsiEncoding>>']
    kids = []
    for page in pages_:
        text = ' '.join(f'BT /F {z} Tf 1 0 0 1 {x} {y} Tm ({t}) Tj ET' for x, y, t, z in page)
        objects += [f'<</Length {len(text)}>>\nstream\n{text}\nendstream',
                    f'<</Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents {len(objects) + 1} 0 R /Resources <</Font <</F 3 0 R>>>>>>']
        kids.append(f'{len(objects)} 0 R')
    objects[1] = f'<</Type /Pages /Count {len(kids)} /Kids [{" ".join(kids)}]>>'
    out, places = b'%PDF-1.4\n', []
    for i, body in enumerate(objects, 1):
        places.append(len(out))
        out += f'{i} 0 obj\n{body}\nendobj\n'.encode('cp1252')
    table = ''.join(f'{p:010} 00000 n \n' for p in places)
    return out + f'xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer <</Size {len(objects) + 1} /Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF'.encode()


def test_large_initials_and_side_notes(monkeypatch):
    raw = book_with_notes()
    text = extract_file(raw)[0].text
    assert text.startswith('EVERY Clerk of the Parish') and 'The Plague came into the City.' in text.split('\n\n')
    for name, off in (('join_initials', lambda words: words), ('side_notes', lambda words: (words, []))):
        with monkeypatch.context() as m:
            m.setattr(pages, name, off)
            assert extract_file(raw)[0].text != text, name
