"Chapters 09 to 09d: golden pairs for every reader, each rule shown failing when it is off, and files that mean harm."
import os, re, tracemalloc, zlib

import pytest

import histlm.ecco as ecco
import histlm.extract as ex
import histlm.markup as markup
import histlm.pages as pages
from histlm.documents import CorpusError
from histlm.extract import ExtractError, detect_kind, extract_file, read_raw

GUTENBERG = '''The Project Gutenberg EBook of Emma, by Jane Austen

Title: Emma
Author: Jane Austen

*** START OF THIS PROJECT GUTENBERG EBOOK EMMA ***

Produced by An Anonymous Volunteer

[Transcriber's note: Hyphens
are kept.]


CHAPTER I

Emma Woodhouse, handsome, clever, and _rich_, with a comfortable home and
happy disposition, seemed to unite some of the best blessings of exist-
ence.[1]

[Footnote 1: She was twenty-one years of age.]

  My first displays the wealth and pomp of kings,
  Lords of the earth! their luxury and ease.

End of the Project Gutenberg EBook of Emma, by Jane Austen

Section 5. General information.

Volunteers are welcome.

1.F.3. LIMITED RIGHT OF REPLACEMENT

Most people start here.
'''
GUTENBERG_OUT = '''CHAPTER I

Emma Woodhouse, handsome, clever, and rich, with a comfortable home and happy disposition, seemed to unite some of the best blessings of exist∣ence.

She was twenty-one years of age.

My first displays the wealth and pomp of kings,
Lords of the earth! their luxury and ease.'''

TEI = '''<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>Philotas</title></titleStmt></fileDesc></teiHeader><text><body>
<head>THE ARGVMENT.</head><p>PHilotas<note place="margin">Plutarch in the life of Alexander the great.</note> was a man<note>Gen. 1.</note> of <hi>great</hi> esti<gap
extent="1 letter"/>ation <pb n="3"/>among the Mace∣<pb/>donians, and in <choice><orig>vvarre</orig><reg>war</reg></choice> valiant.</p><fw type="header">PHILOTAS.</fw>
<sp><speaker>Ham. </speaker><stage>Aside.</stage><l>To be, or not to be,</l><l>that is the Question.</l><stage>Exit.</stage></sp>
<sp><speaker>Hor</speaker><l>Friends to this ground,</l><stage>A noise within</stage><l>and Leegemen.</l></sp><div type="supplied_by_editor"><head>Notes</head></div></body></text></TEI>'''
TEI_OUT = '''THE ARGVMENT.

PHilotas was a man of great esti•ation among the Mace∣donians, and in vvarre valiant.

Plutarch in the life of Alexander the great.

Ham. [Aside.] To be, or not to be,
that is the Question.

Exit.

Hor. Friends to this ground,
[A noise within]
and Leegemen.'''

SESSION = '''<?xml version="1.0" encoding="UTF-8"?><TEI.2><text><body><div0 type="sessionsPaper" id="18450707"><interp inst="18450707" type="date" value="18450707"/>
<div1 type="frontMatter" id="f18450707-1"><p>THE WHOLE PROCEEDINGS</p></div1><p>Before Mr. Recorder.</p>
<div1 type="trialAccount" id="t18450707-1"><interp inst="t1" type="verdictCategory" value="guilty"/><p>1. <persName>
 JOHN
 SMITH <interp type="surname" value="SMITH"/></persName>
 , otherwise Jack , was indicted. GUILTY. <note>[Whipping. See summary.]</note></p><p>I saw the pri<lb/>soner <note>[Text unreadable in original.]</note>there.</p></div1>
<div1 type="trialAccount" id="t18450707-2"><p>2. A second trial.</p></div1><div1 type="trialAccount" id="t18450707-2"><p>2. A second trial.</p></div1></div0></body></text></TEI.2>'''
SESSION_OUT = {'f18450707-1': 'THE WHOLE PROCEEDINGS', 't18450707-1': 'Before Mr. Recorder.\n\n1. JOHN SMITH, otherwise Jack, was indicted. GUILTY.\n\nI saw the pri∣soner 〈…〉 there.',
               't18450707-2': '2. A second trial.'}

ECCO = ('ADVERTISEMENT.I COMMIT these Pa∣pers, printed in M.DCC.XLI. by the Care of Dr. Sloane, D.D.F.R.S. to the Press, being troubled with that Itch of '
        'ScribblingParody of a Line.THE Reader may find them at St.Paul\'s, if he has a Mind to it, and will be\nso kind as to read them over.'
        'CHAP. I.What Pen displayBritannia\'s Pomp upon that happy Day,When Royal George our City dain\'d to Grace,And freed her Race?FINIS.Digitized by VjOOQIC')
ECCO_OUT = '''ADVERTISEMENT.

I COMMIT these Pa∣pers, printed in M.DCC.XLI. by the Care of Dr. Sloane, D.D.F.R.S. to the Press, being troubled with that Itch of Scribbling

Parody of a Line.

THE Reader may find them at St. Paul's, if he has a Mind to it, and will be so kind as to read them over.

CHAP. I.

What Pen display
Britannia's Pomp upon that happy Day,
When Royal George our City dain'd to Grace,
And freed her Race?

FINIS.

Digitized by VjOOQIC'''

XHTML = '''<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" xml:lang="en-GB"><head><title>XVIII</title></head>
<body><section epub:type="chapter"><h2>XVIII</h2><p>Change&nbsp;begets.<a epub:type="noteref">2</a></p><blockquote><p><span>The doctor’s</span><br/><span>an ass.</span></p></blockquote>
<table><tr><td epub:type="z3998:persona">Mortimer</td><td><p>These promises are fair.</p></td></tr></table></section><section epub:type="imprint"><p>Made by us.</p></section></body></html>'''
XHTML_OUT = 'XVIII\n\nChange begets.\n\nThe doctor’s\nan ass.\n\nMortimer. These promises are fair.'

HTML = '''<!DOCTYPE html><html><head><meta charset="windows-1252"><title>The Tatler</title></head><body><nav><a href="/">Home</a></nav><div id="content"><h1>The Tatler</h1><p>Price £1
<p>Whereas <b>Mr. B</b>ickerstaff is dead.<sup><a href="#fn1">[1]</a></sup> <span class="pagenum">[12]</span>So he lives, and is well, and of sound mind, and of body too,
and sends his service to all the coffee-houses of the town.<p class="cookie-notice">Accept all cookies</div><div class="site-footer">About us</div></body></html>'''
HTML_OUT = ('The Tatler\n\nPrice £1\n\nWhereas Mr. Bickerstaff is dead. So he lives, and is well, and of sound mind, and of body too, and sends his service to all the '
            'coffee-houses of the town.')


def make_pdf(book, extra=b''):
    "A PDF of pages, each a list of (x, y, text); `extra` is put in as one more object."
    objects = [b'<</Type /Catalog /Pages 2 0 R>>', None, b'<</Type /Font /Subtype /Type1 /BaseFont /Times-Roman /Encoding /WinAnsiEncoding>>']
    kids = []
    for page in book:
        text = ' '.join(f'BT /F 10 Tf 1 0 0 1 {x} {y} Tm ({t}) Tj ET' for x, y, t in page).encode('cp1252')
        objects += [b'<</Length %d>>\nstream\n%s\nendstream' % (len(text), text),
                    b'<</Type /Page /Parent 2 0 R /MediaBox [0 0 420 600] /Contents %d 0 R /Resources <</Font <</F 3 0 R>>>>>>' % (len(objects) + 1)]
        kids.append('%d 0 R' % len(objects))
    objects[1] = f'<</Type /Pages /Count {len(kids)} /Kids [{" ".join(kids)}]>>'.encode()
    if extra: objects.append(extra)
    out, places = b'%PDF-1.4\n', []
    for i, body in enumerate(objects, 1):
        places.append(len(out))
        out += b'%d 0 obj\n%s\nendobj\n' % (i, body)
    xref = ''.join(f'{p:010} 00000 n \n' for p in places).encode()
    return out + b'xref\n0 %d\n0000000000 65535 f \n%strailer <</Size %d /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF' % (len(objects) + 1, xref, len(objects) + 1, len(out))


COLUMNS = (['The Plague raged in the', 'Parish of St. Giles, and', 'from thence it came into', 'the City, as all the neigh-', 'bours said, and the people', 'fled.'],
           ['Nobody would believe the', 'News at first, but it was', 'printed in the Weekly Bill', 'that seven had died there', 'in one week of the spotted', 'fever.'])


def plague(n):
    "A page in two columns with a running head and a page number; the columns' lines turn from page to page."
    column = lambda lines, x: [(x, 540 - 13 * i, t) for i, t in enumerate(lines[n:] + lines[:n])]
    return [(150, 575, 'THE PLAGUE YEAR.'), (205, 20, str(n + 1)), *column(COLUMNS[0], 50), *column(COLUMNS[1], 230)]


PDF = make_pdf([plague(n) for n in range(5)])
PDF_OUT = ('The Plague raged in the Parish of St. Giles, and from thence it came into the City, as all the neigh∣bours said, and the people fled.\n\n'
           'Nobody would believe the News at first, but it was printed in the Weekly Bill that seven had died there in one week of the spotted fever.')
PETITION = 'To the Right Honble: ye sd: Mayr.\n\nSheweth That since Aprill 1695 ye Peticonr was\ntaken up [...] by vertue of a Warrant\n\nAnd hee shall ever pray Etc.\n\n'
TEXT = '''THE PLAGUE YEAR.

It was about the beginning of September, 1664, that I, among the
rest of my neigh-
bours, heard in ordinary discourse that the plague was returned.

  Of Man's first disobedience, and the fruit
  Of that forbidden tree, whose mortal taste'''
TEXT_OUT = '''THE PLAGUE YEAR.

It was about the beginning of September, 1664, that I, among the rest of my neigh∣bours, heard in ordinary discourse that the plague was returned.

Of Man's first disobedience, and the fruit
Of that forbidden tree, whose mortal taste'''

GOLDEN = {'gutenberg': (GUTENBERG.encode(), GUTENBERG_OUT), 'tei': (TEI.encode(), TEI_OUT), 'ecco': (ECCO.encode(), ECCO_OUT), 'xhtml': (XHTML.encode(), XHTML_OUT),
          'html': (HTML.encode('cp1252'), HTML_OUT), 'text': (TEXT.encode(), TEXT_OUT),
          'londonlives': (PETITION.encode(), 'To the Right Honble: ye sd: Mayr.\n\nSheweth That since Aprill 1695 ye Peticonr was taken up [...] by vertue of a Warrant\n\nAnd hee shall ever pray Etc.')}


@pytest.mark.parametrize('kind', GOLDEN)
def test_golden_pair(kind):
    raw, want = GOLDEN[kind]
    assert detect_kind(raw, 'misleading.doc') == kind
    found, = extract_file(raw, 'misleading.doc')
    assert found.text == want
    assert found.meta['kind'] == kind and found.meta['encoding'] and found.part == ''


def test_golden_session():
    found = extract_file(SESSION.encode(), 'x.txt')
    assert {e.part: e.text for e in found} == SESSION_OUT
    trial = found[1]
    assert (trial.meta['session'], trial.meta['date'], trial.meta['year'], trial.meta['verdict']) == ('18450707', '1845-07-07', 1845, 'guilty')
    assert sum(e.dropped.get('note', 0) for e in found) == len('[Whipping. See summary.]')


def test_golden_pdf():
    found, = extract_file(PDF, 'x.txt')
    assert found.text.startswith(PDF_OUT) and 'PLAGUE YEAR' not in found.text
    assert found.dropped == {'running head': 5 * 16, 'page number': 5}


def test_corpus_of_tei_texts():
    one = TEI.replace('<TEI xmlns="http://www.tei-c.org/ns/1.0">', '<TEI>')
    found = extract_file(f'<teiCorpus>{one}{one.replace("Philotas", "Second").replace("ARGVMENT", "SECOND")}</teiCorpus>'.encode())
    assert [e.meta['title'] for e in found] == ['Philotas', 'Second'] and len({e.part for e in found}) == 2


# Each rule switched off: the golden pair of its reader must fail.

def never(*_, **__): return ''


OFF = {
    'credits': ('gutenberg', ex, 'is_credit', never),
    'transcriber notes': ('gutenberg', ex, '_NOTE_HEAD', re.compile('(?!)')),
    'footnote marks, emphasis': ('gutenberg', ex, 'strip_signs', lambda text, dropped: text),
    'wrapped prose': ('text', ex, 'is_prose', never),
    'line-end hyphens': ('text', ex, 'join_lines', ' '.join),
    'verse': ('text', ex, 'is_prose', lambda *_: True),
    'joints': ('ecco', ecco, '_JOINT', re.compile('(?!)')),
    'name of breaks': ('ecco', ecco, 'name_breaks', lambda segments, *_: ['\n'] * len(segments)),
    'headings': ('ecco', ecco, 'is_heading', never),
    'abbreviations': ('ecco', ecco, '_SHORTENED', re.compile('(?!)')),
    'misread signs stay whole': ('ecco', ecco, 'parts_words', lambda *_: True),
    'initials and years': ('ecco', ecco, '_initial_joint', lambda *_: '\n'),
    'notes placed': ('tei', markup, 'keep_note', never),
    'references dropped': ('tei', markup, 'keep_note', lambda *_: True),
    'gap signs': ('tei', markup, 'gap_sign', never),
    'stage directions': ('tei', markup, '_place_stage', lambda m: ''.join(m.groups())),
    'stops of speakers': ('tei', markup, '_stop_name', never),
    'page furniture': ('tei', markup.TeiCollector, 'skip', never),
    'e-book apparatus': ('xhtml', markup.EpubCollector, 'skip', never),
    'speakers of tables': ('xhtml', markup.EpubCollector, 'special', {}),
    'frame of a page': ('html', pages, 'frame_reason', never),
}


@pytest.mark.parametrize('rule', OFF)
def test_each_rule_matters(rule, monkeypatch):
    kind, where, name, off = OFF[rule]
    raw, want = GOLDEN[kind]
    monkeypatch.setattr(where, name, off)
    assert extract_file(raw, kind=kind)[0].text != want


def test_licence_is_cut_twice_over(monkeypatch):
    "The markers alone suffice, the licence's words alone suffice, and with neither the licence stays."
    read = lambda: extract_file(GUTENBERG.encode(), kind='gutenberg')[0].text
    monkeypatch.setattr(ex, 'is_licence', lambda block: False)
    assert read() == GUTENBERG_OUT
    monkeypatch.setattr(ex, '_PG_END', re.compile('(?!)'))
    assert 'LIMITED RIGHT' in read()
    monkeypatch.undo()
    monkeypatch.setattr(ex, '_PG_END', re.compile('(?!)'))
    assert 'LIMITED RIGHT' not in read()


@pytest.mark.parametrize('name,off', [('furniture', lambda pages: {}), ('find_gutter', lambda *_: None), ('join_lines', ' '.join), ('column_blocks', lambda rows, *_: [[r.text] for r in rows])])
def test_each_pdf_rule_matters(name, off, monkeypatch):
    monkeypatch.setattr(pages, name, off)
    assert not extract_file(PDF)[0].text.startswith(PDF_OUT)


ANNALS = ['  The people of the Town looked up and saw a Comet with', 'a long Tail, and some of them said that it was a Sign, and', 'others that it was none, and so they went to their Beds.',
          '|2 May. Baptized Thomas Lovelace, son of Ambrose', '  Lovelace, a cutler.', '3 May. Married Dorothy Wetherby and Christopher',
          '  Hall, both of this parish.', '4 May. Buried Katherine Browning, the daughter of', '  Mr. Ford.|'] * 4
HEADS = ['THE COMET. 55', '56 A JOURNAL OF THE YEARS', 'A HARD FROST', 'LONDON BURNT. 58']
LEAVES = (0, 8, 18, 26, 36)  # rows with which the pages begin; two cut an entry


def annal(n):
    "A page with a head that stands once, a catchword and a signature, and entries whose first rows stand out."
    lines, y, out = ANNALS[LEAVES[n]:LEAVES[n + 1]], 540, [(120, 575, HEADS[n])]
    for line in lines:
        y -= 13 + 13 * line.startswith('|')
        out.append((50 + 12 * line.lstrip('|').startswith('  '), y, line.strip('| ')))
        y -= 13 * line.endswith('|')
    following = ANNALS[LEAVES[n + 1]:LEAVES[n + 1] + 1]
    return out + [(255, 300, ('B 2  ' if n == 1 else '') + following[0].strip('| ').split()[0])] if following else out


ANNALS_OUT = '\n\n'.join(['The people of the Town looked up and saw a Comet with a long Tail, and some of them said that it was a Sign, and others that it was '
                          'none, and so they went to their Beds.',
                          '2 May. Baptized Thomas Lovelace, son of Ambrose Lovelace, a cutler.\n3 May. Married Dorothy Wetherby and Christopher Hall, both of '
                          'this parish.\n4 May. Buried Katherine Browning, the daughter of Mr. Ford.'] * 4)


def test_pages_of_a_book():
    found, = extract_file(make_pdf([annal(n) for n in range(4)]))
    assert found.text == ANNALS_OUT
    assert {k: v for k, v in found.dropped.items() if k != 'catchword'} == {'running head': sum(map(len, HEADS))}


@pytest.mark.parametrize('name,off', [('page_reason', never), ('is_catchword', lambda *_: False), ('catch_rows', lambda *_: {}), ('hanging_rows', lambda *_: set()),
                                      ('goes_on', lambda *_: False), ('edge_rows', lambda pages: {})])
def test_each_rule_of_a_book_matters(name, off, monkeypatch):
    monkeypatch.setattr(pages, name, off)
    assert extract_file(make_pdf([annal(n) for n in range(4)]))[0].text != ANNALS_OUT


HEAD_LINES = ['', 'THE LIFE OF A CLERK', 'Remains with some others, &c.', 'OF HIS WIFE', 'Remains with some others, &c.', 'THE LIFE OF A CLERK',
              'Remains with some others, &c.', 'THE LIFE OF A CLERK']
SCAN_NOTE = '* So says the Gazette of that Year.'


def scanned():
    "A scanned book and its text: heads with and without fellows, catchwords, a scanner's stamp, a footnote in mid-sentence."
    raw, text = ['REMAINS WITH SOME OTHERS.', '', 'By a Person of Quality.', ''], []
    for n, head in enumerate(HEAD_LINES):
        lines = [f'and in the Year {1600 + 20 * n + k} the Clerk of the Parish went up and down as he was used' for k in range(15)]
        if n == 3: lines[0], text[-1] = lines[0].replace('and in', 'In'), text[-1] + '.'; raw[raw.index(text[-1][:-1])] += '.'
        raw += ['', ' ' * 12 + head, ''] * bool(n) + lines
        if n == 1: raw += ['', SCAN_NOTE]
        if n not in (2, 7): raw += ['', (' ' * 48 if n % 2 else '  ') + 'and']
        if n in (1, 4, 6): raw += ['', 'Digitized by VjOOQIC']
        text += lines
    return '\n'.join(raw), '\n\n'.join([raw[0], raw[2], ' '.join(text[:45]), SCAN_NOTE, ' '.join(text[45:])])


SCAN_OFF = {'page_heads': lambda *_: {}, 'equal_pages': lambda *_: {}, 'stamps': lambda *_: {}, 'near_catchwords': lambda *_: {}, '_FOOTNOTE': re.compile('(?!)')}


PRINTED = """The Project Gutenberg EBook of A Walk by the Fens,
by Thomas Wray

*** START OF THE PROJECT GUTENBERG EBOOK A WALK ***


CONTENTS.

                                                      PAGE

  LETTER I.    Of the Road                               1

  LETTER II.   Of the Fens; with an Account of
                 Wages                                  17




LETTER I.

A labourer hath 1_s._ 2_d._ a day in winter, which the clerk D_r._ Tubb told me
was all that he was _ever_ given.[1]

       *       *       *       *       *

The quit-rent is 7-1/2_d._ and [Greek: gnôthi seauton] was written
over the door.

  FOOTNOTES:

  [1] So says the _Tour_.


       *       *       *       *       *

Transcriber's Notes:

  Page 3: "surveyer" changed.

*** END OF THE PROJECT GUTENBERG EBOOK A WALK ***
"""
PRINTED_OUT = '''LETTER I.

A labourer hath 1s. 2d. a day in winter, which the clerk Dr. Tubb told me was all that he was ever given.

* * * * *

The quit-rent is 7-1/2d. and gnôthi seauton was written over the door.

So says the Tour.'''


def test_signs_of_a_gutenberg_book():
    found, = extract_file(PRINTED.encode())
    assert found.text == PRINTED_OUT
    assert (found.meta['title'], found.meta['author']) == ('A Walk by the Fens', 'Thomas Wray')
    assert found.dropped['contents'] == 87 and found.dropped['rule'] == 5 and found.dropped['transliteration'] == 9


@pytest.mark.parametrize('name,off', [('_EMPHASIS', re.compile(r'(?<![\w_])_([^_]{1,600}?)_(?![\w_])()()')), ('_SCRIPT', re.compile('(?!)()')),
                                      ('_NOTES_HEAD', re.compile('(?!)')), ('contents_length', lambda *_: 0), ('_PG_FIRST', re.compile('(?!)'))])
def test_each_rule_of_a_gutenberg_book_matters(name, off, monkeypatch):
    monkeypatch.setattr(ex, name, off)
    found, = extract_file(PRINTED.encode())
    assert found.text != PRINTED_OUT or 'title' not in found.meta


def test_a_table_of_contents_without_pages_stays():
    bare = re.sub(r' {5,}(?:PAGE|\d+)\n', '\n', PRINTED)
    assert 'CONTENTS.\n\nLETTER I. Of the Road\n\nLETTER II.' in extract_file(bare.encode())[0].text


def test_a_gutenberg_book_without_an_author():
    raw = PRINTED.replace('A Walk by the Fens,\nby Thomas Wray', 'The History of Tom')
    meta = extract_file(raw.encode())[0].meta
    assert meta['title'] == 'The History of Tom' and 'author' not in meta


PARISH = """<!DOCTYPE html><html lang="en"><head><title>The Book of Thornby, 1641 | Thornby History Society</title></head><body><main><h1>The Book of Thornby</h1>
<p>Vpon the xviij<sup>th</sup> day arose a Wind, says Rich: Hale y<sup>e</sup> Clarke, and cast x<sup>2</sup> of them, or 7<sup>1</sup>/2, into the Close.<sup>3</sup></p>
<div class="wp-caption alignright"><img src="t.jpg"><p class="wp-caption-text">The tower today. Photo: J. Barnes</p></div><p class="caption">THE VERSES</p>
<div class="stanza"><span class="line">I to the Church the liuing call,<span class="linenum">5</span></span><br><span class="line">And to the graue doe summon all.</span></div>
<h3>Share this:</h3><p>Finis.</p></main></body></html>"""
PARISH_OUT = ('The Book of Thornby\n\nVpon the xviijᵗʰ day arose a Wind, says Rich: Hale yᵉ Clarke, and cast x2 of them, or 71/2, into the Close.\n\nTHE VERSES\n\n'
              'I to the Church the liuing call,\nAnd to the graue doe summon all.\n\nFinis.')


def test_additions_to_a_page():
    found, = extract_file(PARISH.encode())
    assert found.text == PARISH_OUT and found.meta['title'] == 'The Book of Thornby, 1641'
    assert found.dropped == {'note mark': 1, 'illustration': 33, 'line number': 1, 'navigation': 11}


@pytest.mark.parametrize('name,off', [('_LINE_NUMBER', re.compile('(?!)')), ('_CAPTION', re.compile('(?!)')), ('_BUTTONS', re.compile('(?!)')), ('RAISED', {}),
                                      ('addition', never), ('title_without_site', lambda title, *_: title)])
def test_each_rule_of_a_page_matters(name, off, monkeypatch):
    monkeypatch.setattr(pages, name, off)
    found, = extract_file(PARISH.encode())
    assert found.text != PARISH_OUT or found.meta['title'] != 'The Book of Thornby, 1641'


def test_a_scanned_book_without_its_pages():
    raw, text = scanned()
    found, = extract_file(raw.encode())
    assert found.text == text
    assert found.dropped == {'running head': sum(map(len, HEAD_LINES)), 'catchword': 6 * 3, 'stamp': 3 * 20}


@pytest.mark.parametrize('name', SCAN_OFF)
def test_each_rule_of_a_scanned_book_matters(name, monkeypatch):
    monkeypatch.setattr(ex, name, SCAN_OFF[name])
    raw, text = scanned()
    assert extract_file(raw.encode())[0].text != text


def test_what_returns_in_a_book_of_verse_stays():
    "Refrains, arguments before books, and formulas of letters: they return, but interrupt nothing."
    text = '\n\n'.join(f'BOOK {n}.\n\nTHE ARGUMENT OF IT\n\nHe rose at {n}.\n\nHey ho, the wind and the rain\n\nHe went to bed.' for n in ('I', 'II', 'III', 'IV'))
    assert extract_file(text.encode(), kind='text')[0].text == text


ACTORS = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><text><front><list><head>The Names.</head><item><table><row><cell rows="1">Saturne </cell>
<cell rows="2">two brothers. </cell></row><row><cell rows="1">Tytan. </cell></row></table></item><item>Vesta. </item><label>Isabella </label><item>Wife to
Alibius. </item></list></front></text></TEI>"""
ACTORS_OUT = 'The Names.\n\nSaturne, Tytan. two brothers.\n\nVesta.\nIsabella, Wife to Alibius.'


def test_braces_and_columns_of_a_list_of_actors(monkeypatch):
    assert extract_file(ACTORS.encode())[0].text == ACTORS_OUT
    monkeypatch.setattr(markup.TeiCollector, 'special', {k: f for k, f in markup.TeiCollector.special.items() if k != 'cell'})
    assert 'Saturne two brothers.' in extract_file(ACTORS.encode())[0].text
    monkeypatch.undo()
    monkeypatch.setattr(markup, '_stop_name', never)
    assert extract_file(ACTORS.encode())[0].text == ACTORS_OUT.replace(',', '')


DASHES = ''.join(['Immortal chiefs, who on one leg can do', 'What yet no warrior has atchieved on two', 'Before such dangers shall we prostrate fall,'] * 3
                 + ["Thro' me the muse her loyal subjects greets—Tho' I speak standing, and you keep your seats—Pleas'd that so full a house attends",
                    'My sovereign title to pronounce the speech;kneels.', 'From either party, none will sure impeach'] * 2)


def test_lines_of_verse_that_a_dash_glued(monkeypatch):
    text = extract_file(DASHES.encode(), kind='ecco')[0].text
    assert "greets—\nTho' I speak standing, and you keep your seats—\nPleas'd" in text and 'speech; kneels.' in text
    monkeypatch.setattr(ecco, '_DASHED', re.compile('(?!)'))
    monkeypatch.setattr(ecco, '_DIRECTION', re.compile('(?!)'))
    text = extract_file(DASHES.encode(), kind='ecco')[0].text
    assert "greets—Tho'" in text and 'speech;kneels' in text


NONE = re.compile('(?!)')
SPOKEN = ('"It is new."It is very late," said Emily.  He answered: "I was not unmindful of my relations.""Nor has he been," she cried, "and I go too."Emily sighed. '
          '"Ah!"1st Serv.Gone for ever.2d Serv.Why what\'s the Matter?1st Serv.They said, Sir, this was Mr. Rove.\'Sdeath, he was here.')
SPOKEN_OUT = ['"It is new.', '"It is very late," said Emily. He answered: "I was not unmindful of my relations."', '"Nor has he been," she cried, "and I go too."',
              'Emily sighed. "Ah!"', '1st Serv. Gone for ever.', "2d Serv. Why what's the Matter?", '1st Serv. They said, Sir, this was Mr. Rove.', "'Sdeath, he was here."]


@pytest.mark.parametrize('rule', ['none', 'opening_marks', 'find_numbered', '_APHAERESIS'])
def test_ecco_quotation_marks_and_numbered_speakers(rule, monkeypatch):
    if rule != 'none': monkeypatch.setattr(ecco, rule, re.compile('(?!)') if rule == '_APHAERESIS' else lambda *_: set())
    blocks = re.split('\n+', extract_file(SPOKEN.encode(), kind='ecco')[0].text)
    assert (blocks == SPOKEN_OUT) == (rule == 'none')


FARCE = ('THE COBLER.VOL. I.LONDON: Printed M,DCC,LXXIV. for him.Dramatis Personae.SNOB,Mr. BANNISTER,FROTHMr. PARSONS.ACT I.'
         + 'SNOB.I cannot stay with you to-day.ALICE.Will you go away?Mrs. NIP.He will go away in haste.' * 15
         + 'SNOB.No.ALICE.Will you stay with me?SNOB.I will not stay.Recitative.Joy shall henceforth spring around,Pleasure shall await our call▪And real happiness be found.'
         + 'SNOB.I see him come, I see—Enter LORD.LORD.Is this the Cobler?SNOB.I am he.LORD.I am content.ALICE.So am I.' + 'ALICE.Will you go away?SNOB.I will go away.' * 4 + 'ALICE (to Snob.)Come away.Both.We come.SNOB.—Then go.FINIS.')
FARCE_BLOCKS = ('THE COBLER.', 'VOL. I.', 'LONDON: Printed M,DCC,LXXIV. for him.', 'SNOB, Mr. BANNISTER,', 'FROTH Mr. PARSONS.', 'Mrs. NIP. He will go away in haste.', 'SNOB. No.', 'Recitative.',
                'Joy shall henceforth spring around,\nPleasure shall await our call▪\nAnd real happiness be found.', 'SNOB. I see him come, I see—', 'Enter LORD.',
                'LORD. Is this the Cobler?', 'LORD. I am content.', 'ALICE. So am I.', 'ALICE (to Snob.) Come away.', 'Both. We come.', 'SNOB.—Then go.')
FARCE_OFF = {'none': None, '_PLAYER': NONE, '_ENTRY': NONE, '_DASHED_ENTRY': NONE, '_is_loud': str.isupper, '_NUMBERED': NONE, '_YEAR': NONE, '_DIRECTED': NONE,
             'rare_speakers': lambda *_: set(), '_JOINT': re.compile(ecco._JOINT.pattern.replace('▪', '')), 'take_turns': lambda *_: set(), '_MUSIC': NONE}


@pytest.mark.parametrize('rule', FARCE_OFF)
def test_a_farce_has_its_people_songs_and_entries(rule, monkeypatch):
    if rule == '_MUSIC': monkeypatch.setattr(ecco, '_NO_SPEAKER', re.compile('ACT|FINIS'))
    if rule != 'none': monkeypatch.setattr(ecco, rule, FARCE_OFF[rule])
    blocks = extract_file(FARCE.encode(), kind='ecco')[0].text.split('\n\n')
    assert all(block in blocks for block in FARCE_BLOCKS) == (rule == 'none')


PROSE = 'and so with a heavy heart and many tears that she could not hide from him she went her way once more to the Castle'
LETTERS = ''.join(f'LETTER {n}. Lord Sommerville to Mr. Dalton{PROSE.capitalize()} of{PROSE.capitalize()} in the end.\nAND then he died; {PROSE}.{(PROSE.capitalize() + ".") * 8}'
                  f'Of all comforts I miscarried,When I play\'d the fool and married.HOR.I am, Sir, yours.C. DALTON.Your Friend.' for n in ('II', 'III', 'IV', 'V'))
LETTER_BLOCKS = ('LETTER IV. Lord Sommerville to Mr. Dalton', f'{PROSE.capitalize()} of {PROSE.capitalize()} in the end.', f'AND then he died; {PROSE}.', 'C. DALTON.')


@pytest.mark.parametrize('rule', ['none', '_HEADED', '_OPENS', '_MIDST', 'take_turns'])
def test_letters_have_headings_signatures_and_whole_paragraphs(rule, monkeypatch):
    if rule != 'none': monkeypatch.setattr(ecco, rule, NONE if rule != 'take_turns' else lambda segments, names, *_: names)
    text = extract_file(LETTERS.encode(), kind='ecco')[0].text
    assert all(block in text.split('\n\n') for block in LETTER_BLOCKS) == (rule == 'none')
    assert ('HOR. I am' in text) == (rule == 'take_turns')


def test_a_poem_that_ends_with_its_page_does_not_run_into_prose():
    song = 'AS I went out one morn in May,And all the birds did sing,I met my true love on the way,And gave to her a ring.'
    text = extract_file(f'{PROSE.capitalize()}.\n{song}\n{PROSE.capitalize()}.\n{PROSE} and\n{PROSE} to'.encode(), kind='ecco')[0].text
    assert f'And gave to her a ring.\n\n{PROSE.capitalize()}' in text


CARNATION = ('TO thee, my Fair, this beauteous flower I send,Admit it as a moralizing friend:" In charms and sweetness you may me excell,'
             '" Yet deign to listen while this truth I tell;" (I am your emblem) drive vain pride away," Both you and I soon blossom, soon decay."CONTEMPLATION. AN ODE.')
CARNATION_OUT = ('TO thee, my Fair, this beauteous flower I send,\nAdmit it as a moralizing friend:\n"In charms and sweetness you may me excell,\n'
                 '"Yet deign to listen while this truth I tell;\n"(I am your emblem) drive vain pride away,\n"Both you and I soon blossom, soon decay."\n\nCONTEMPLATION. AN ODE.')


def test_marks_that_head_lines_of_verse(monkeypatch):
    assert extract_file(CARNATION.encode(), kind='ecco')[0].text == CARNATION_OUT
    monkeypatch.setattr(ecco, '_MARK_AHEAD', NONE)
    assert extract_file(CARNATION.encode(), kind='ecco')[0].text != CARNATION_OUT


def test_pictures_that_keyers_described(monkeypatch):
    made, = extract_file(('portrait of Edward GibbonEDWARD GIBBON, Esq.FINIS.blazon or coat of armsDIEU ET MON DROIT, the blazon or coat of arms.' + PROSE).encode(), kind='ecco')
    assert made.text.startswith('EDWARD GIBBON, Esq.\n\nFINIS.\n\nDIEU ET MON DROIT, the blazon or coat of arms.') and made.dropped == {'editor': 47}
    monkeypatch.setattr(ecco, '_ARMS', NONE)
    monkeypatch.setattr(ecco, '_FIRST_PICTURE', NONE)
    assert extract_file(b'map of AsiaMAP of ASIA.' + PROSE.encode(), kind='ecco')[0].text[:4] == 'map '
    assert 'FINIS.blazon' in extract_file(('FINIS.blazon or coat of armsDIEU' + PROSE).encode(), kind='ecco')[0].text


def twice(text):
    "A text in UTF-8 that was read as Windows-1252, with controls where that has no sign."
    return ''.join(chr(b) if b in (0x81, 0x8d, 0x8f, 0x90, 0x9d) else bytes([b]).decode('cp1252') for b in text.encode())


def test_a_file_decoded_wrongly_before_it_was_saved(monkeypatch):
    said = 'The Duke’s “Bu▪ineſs”, yᵗ coſt £5—a cōmon Price at the café.\n\nAnd ſo to bed, as the Cuſtom was of old Times.'
    for spoilt in (twice(said), twice(twice(said))):
        found, = extract_file(spoilt.encode())
        assert found.text == said and found.meta['encoding'] == 'utf-8 (decoded wrongly before)'
    play = TEI.replace('</text>', f'<p>{said}</p></text>')
    assert extract_file(twice(play).encode())[0].text == extract_file(play.encode())[0].text
    for fine in (said, 'At the CAFÉ’S door he said «ÉTÉ», don’t.'): assert extract_file(fine.encode())[0].text == fine
    monkeypatch.setattr(ex, 'mend_double', lambda text, raw: text)
    assert 'â–ª' in extract_file(twice(said).encode())[0].text


def test_a_petition_within_a_book_does_not_make_it_one():
    raw, _ = scanned()
    assert detect_kind((raw + '\n\n' + PETITION * 2).encode()) == 'text'


@pytest.mark.parametrize('name,off', [('settle_session', markup.settle), ('_FACTS', {}), ('_TAG_SPACE', re.compile('(?!)'))])
def test_each_session_rule_matters(name, off, monkeypatch):
    monkeypatch.setattr(markup, name, off)
    found = extract_file(SESSION.encode())
    assert {e.part: e.text for e in found} != SESSION_OUT or 'verdict' not in found[1].meta


# Files that mean harm, or are merely broken.

BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE = {
    'empty': (b'  \n', 'empty'),
    'zip': (b'PK\x03\x04' + bytes(100), 'ZIP'),
    'image': (b'\x89PNG\r\n\x1a\n', 'PNG'),
    'binary in .txt': (bytes(range(256)) * 50, 'binary'),
    'control characters': (b'text \x01\x02\x03\x04' * 50, 'control characters'),
    'entities that expand': ((BOMB + '<TEI><text><p>&b;</p></text></TEI>').encode(), 'defines the entity'),
    'outside entity': (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><TEI><p>&a;</p></TEI>', 'defines the entity'),
    'parameter entity': (b'<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1/x.dtd">%a;]><TEI><p>x</p></TEI>', 'entity'),
    'cut short': (TEI.encode()[:-40], 'cut short'),
    'session cut short': (SESSION.encode()[:-40], 'cut short'),
    'wrong declared encoding': ('<?xml version="1.0" encoding="utf-8"?><TEI><text><p>price £5</p></text></TEI>'.encode('cp1252'), '0xa3 at offset'),
    'unknown encoding': ('<?xml version="1.0" encoding="klingon"?><TEI><text><p>price £5</p></text></TEI>'.encode('cp1252'), 'klingon'),
    'html with a wrong charset': (b'<html><meta charset="utf-8"><p>price \xa35</p></html>', '0xa3 at offset'),
    'no text at all': (b'<TEI><text><body><pb/></body></text></TEI>', 'holds no text'),
    'damaged pdf': (PDF[:400], 'PDF'),
    'pdf bomb': (make_pdf([plague(0)], b'<</Filter /FlateDecode /Length 9>>\nstream\n' + zlib.compress(bytes(70_000_000)) + b'\nendstream'), 'unpacks to more than'),
    'pdf twice packed': (make_pdf([plague(0)], b'<</Filter [/FlateDecode /FlateDecode] /Length 9>>\nstream\nxx\nendstream'), 'compressed twice'),
    'scan without text': (make_pdf([[]]), 'no text'),
}


@pytest.mark.parametrize('what', HOSTILE)
def test_named_error(what):
    raw, words = HOSTILE[what]
    with pytest.raises(ExtractError) as caught: extract_file(raw, 'suspect.txt')
    assert words in str(caught.value) and 'suspect.txt' in str(caught.value)
    assert isinstance(caught.value, CorpusError)


def test_huge_file_is_refused_before_it_is_read(tmp_path):
    (tmp_path/'line.txt').touch()
    os.truncate(tmp_path/'line.txt', 2_000_000_000)
    tracemalloc.start()
    with pytest.raises(ExtractError, match='2.0 GB, and the limit is 256.0 MB'): read_raw(tmp_path/'line.txt')
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_long_line_is_refused_before_it_is_decoded():
    raw = b'The first line\n' + b'x' * (ex.MAX_LINE + 1)
    tracemalloc.start()
    with pytest.raises(ExtractError, match='a line of more than 32.0 MB at byte 15'): extract_file(raw, 'line.txt')
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_deep_nesting_and_many_notes_end():
    deep = '<TEI><text>' + '<div>' * 20_000 + '<p>down here</p>' + '</div>' * 20_000 + '</text></TEI>'
    assert extract_file(deep.encode())[0].text == 'down here'
    with pytest.raises(ExtractError, match='256 deep'): extract_file(b'<html><body>' + b'<div>' * 5000 + b'<p>down here</p>' + b'</div>' * 5000)
    many = '<TEI><text><p>' + 'word<note>a note of six or seven words</note> ' * 5000 + '</p></text></TEI>'
    assert extract_file(many.encode())[0].text.count('a note of six') == 5000


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'cp1252', 'mac_roman'])
def test_encodings_are_found_and_recorded(encoding):
    text = 'The Duke’s “Price” was £5—and he sat in a café, said the King’s man.'
    found, = extract_file(text.encode(encoding), 'x.txt')
    assert found.text == text
    assert found.meta['encoding'].replace(' by its mark', '').replace('_', '') in encoding.replace('_', '')


@pytest.mark.parametrize('start,end', [('*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***', '*** END OF THE PROJECT GUTENBERG EBOOK EMMA ***'),
                                       ('***START OF THE PROJECT GUTENBERG EBOOK A LONG TITLE THAT\nGOES ON***', '***END OF THE PROJECT GUTENBERG EBOOK EMMA***'),
                                       ('*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*', 'End of Project Gutenberg Etext of Emma'),
                                       ('*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*', 'End of The Project Gutenberg Etext of Emma'),
                                       ('', 'This is the end of www.gutenberg.org'), ('** STRAT OF THIS PROJECT GUTENBERG', '** EDN OF THIS PROJECT GUTENBERG EBOOK')])
def test_gutenberg_markers_of_all_ages(start, end):
    whole = GUTENBERG.replace('Most people start here.', '1.F.4. You see www.gutenberg.org')
    raw = whole.replace('*** START OF THIS PROJECT GUTENBERG EBOOK EMMA ***', start).replace('End of the Project Gutenberg EBook of Emma, by Jane Austen', end)
    assert extract_file(raw.encode(), kind='gutenberg')[0].text == GUTENBERG_OUT


def test_part_one_reads_the_narrower_kinds():
    from histlm.documents import extract
    assert extract(SESSION.encode(), 'oldbailey').split('\n')[-2:] == ['I saw the prisoner 〈…〉 there.', '2. A second trial.']
    assert '\n\n' not in extract(TEI.encode(), 'tei')


def test_a_title_page_does_not_take_the_number_of_the_trial_behind_it():
    page = '<div1 type="frontMatter" id="t17840526-17"><p>THE WHOLE PROCEEDINGS upon the King\'s Commission</p></div1>'
    trial = '<div1 type="trialAccount" id="t17840526-17"><p>535. JOHN HUNTER was indicted for stealing a ring.</p></div1>'
    raw = f'<?xml version="1.0"?><TEI.2><text><body><div0 type="sessionsPaper" id="17840526">{page}{trial}</div0></body></text></TEI.2>'
    found = {e.part: e.text for e in extract_file(raw.encode(), 'x.xml')}
    assert found['t17840526-17'].startswith('535.') and found['f17840526-17'].startswith('THE WHOLE')


def test_a_page_of_a_session_ends_inside_a_word():
    session = ('<TEI.2><text><body><div0 type="sessionsPaper" id="17951028"><div1 type="trialAccount" id="t17951028-1"><p>A silk hand<xptr type="p"/>kerchief of <persName>Sarah Laxton\n</persName>\'s,'
               ' the<xptr type="p"/>prisoner had <note>[Text unreadable in original.] practically</note> it.</p></div1></div0></body></text></TEI.2>')
    assert extract_file(session.encode(), kind='oldbailey')[0].text == "A silk handkerchief of Sarah Laxton's, the prisoner had 〈…〉 practically it."


def test_days_letters_and_hymns_keep_their_heads():
    days = '\n\n'.join(f'{day}, {n} June 1665\n\nUp betimes, and to my office, where busy till noon; then home to dinner,\nand after it by water to White Hall with Sir W. Batten, and so to bed' + (f'\n\n{n + 3}' if n % 3 == 0 else '')
                       for n, day in enumerate(['Monday', 'Tuesday', 'Saturday'] * 8, 1))
    letters = '\n\n'.join(f'{n}. To Mr. {who}, at Cadiz.\n\nLondon, y^e {n}th Decembr 169{n % 3}.\n\nSr, I have yours of the 5th instant, and shall answer it by the next post\nthat goes for the Streights, if the wind serve'
                          for n, who in enumerate(['Smith', 'Jones', 'Hill'] * 5, 1))
    hymns = '\n\n'.join(f'HYMN {n}\n\nCome let us join our cheerful songs\n  With angels round the throne' + (f'\n\n{n + 1}' if n % 2 else '') for n in range(1, 16))
    for text, heads in ((days, [f', {n} June 1665' for n in range(1, 25)]), (letters, [f'{n}. To Mr. ' for n in range(1, 16)] + [f' {n}th Decembr' for n in range(1, 16)]),
                        (hymns, [f'HYMN {n}\n' for n in range(1, 16)])):
        found = '\n\n'.join(e.text for e in extract_file(text.encode(), 'a.txt')) + '\n'
        assert [h for h in heads if h not in found] == []


def test_leaves_are_marks_of_pages():
    found = extract_file(b'The vestry met, and ordered that the poor within the\n[fol. 3]\nparish should be relieved.\n', 'a.txt')[0]
    assert found.text == 'The vestry met, and ordered that the poor within the parish should be relieved.' and found.dropped == {'page number': 8}
