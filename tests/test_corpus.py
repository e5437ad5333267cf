"Chapter 13 from outside: files of every kind and of every badness in, documents, ledger and card out, the same bytes whoever does the work."
import csv, hashlib, json, os, random, shutil, signal, subprocess, time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import PYTHON, ROOT, run
from histlm.core import file_sha256
from histlm.corpus import LEDGER, STAGES, build_corpus, check_ledger, corpus_main
from histlm.corpora import open_corpus
from histlm.documents import CorpusError
from histlm.plant import plant_corpus

BUILD = 'import sys, json; from histlm.corpus import build_corpus; build_corpus(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))'


def tree(folder):
    "Every file below a folder with its checksum."
    return {str(p.relative_to(folder)): file_sha256(p) for p in sorted(Path(folder).rglob('*')) if p.is_file()}


def add(folder, rows, path, raw, **record):
    "Write a file and its row of the manifest."
    (folder/path).parent.mkdir(parents=True, exist_ok=True)
    (folder/path).write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    rows.append(dict(id=path, path=path, bytes=(folder/path).stat().st_size, sha256=file_sha256(folder/path), **record))


def write_manifest(folder, rows):
    "The manifest of a folder."
    columns = ['id', 'path', 'source', 'title', 'author', 'year', 'licence', 'origin', 'split', 'bytes', 'sha256']
    with open(folder/'manifest.csv', 'w', newline='', encoding='utf-8') as f:
        out = csv.DictWriter(f, columns, restval='', extrasaction='ignore')
        out.writeheader()
        out.writerows(rows)


def read_manifest(folder):
    "The rows of a manifest."
    with open(folder/'manifest.csv', encoding='utf-8', newline='') as f: return list(csv.DictReader(f))


def make_archive(folder):
    "Planted files of every kind (chapter 08a) with reprints across the split; other licences, a late book and a row without its file."
    plant_corpus(folder, 20, 3, n_bytes=6000, reprint_every=10)
    rows = read_manifest(folder)
    for i, row in enumerate(rows): row['licence'] = ('CC0-1.0', 'CC-BY-NC-4.0', 'CC-BY-SA-4.0', '')[i % 4]
    letter = 'Sir, I have yours of the 5th instant, and shall wait upon you in Fleet-street on Tuesday next. ' * 12
    add(folder, rows, 'late.txt', letter, source='letters', title='Late', year=1901, licence='CC0-1.0', split='train')
    rows.append(dict(id='gone', path='letters/gone.txt', source='letters'))
    write_manifest(folder, rows)


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp('archive')
    make_archive(folder)
    return folder


@pytest.fixture(scope='module')
def built(archive, tmp_path_factory):
    out = tmp_path_factory.mktemp('built')/'corpus'
    build_corpus(archive, out, workers=1, shard_bytes=20_000)
    return out


def ledger(folder):
    return pq.read_table(folder/'ledger.parquet').to_pylist()


def texts(folder):
    return {r['id']: r for p in sorted((folder/'documents').glob('*.parquet')) for r in pq.read_table(p).to_pylist()}


def test_every_byte_of_every_file_is_accounted_for(archive, built):
    books, facts = check_ledger(built), json.loads((built/'corpus.json').read_text())
    files = [archive/r['path'] for r in read_manifest(archive)]
    assert books['files'] == len(files) and books['read'] == sum(p.stat().st_size for p in files if p.exists())
    assert books['read'] == books['kept'] + books['removed'] and books['kept'] == facts['bytes'] == sum(len(r['text'].encode()) for r in texts(built).values())
    removed = sum(c['bytes'] for by in facts['ledger'].values() for c in by.values())
    assert facts['input']['bytes'] == facts['bytes'] + removed
    assert pq.read_schema(built/'ledger.parquet').names == LEDGER.names
    assert all(c > 0 for c in (facts['documents'], books['dropped']))


def test_bad_rows_and_late_books_are_dropped_with_their_reason(built):
    by_file = {r['file']: r for r in ledger(built) if r['outcome'] == 'dropped'}
    assert by_file['gone']['stage'] == 'extract' and 'line' in by_file['gone']['detail']
    assert by_file['late.txt']['stage'] == 'filter'
    assert '/' + str(ROOT) not in json.dumps(list(by_file.values()))


def test_texts_are_what_they_say(built):
    for r in texts(built).values():
        assert r['sha256'] == hashlib.sha256(r['text'].encode()).hexdigest()
        assert r['text'] and r['split'] in ('train', 'valid') and (r['year'] is None or 1500 <= r['year'] <= 1850)


def test_the_manifest_beats_the_file_and_decides_the_split(archive, built):
    rows = {r['id']: r for r in read_manifest(archive)}
    got = texts(built)
    assert len(got) > 5
    for id, r in got.items():
        said = rows[id.split('#')[0]]
        assert said['split'] in ('', r['split']) and said['licence'] == r['licence'] and str(r['year']) == said['year']
        assert r['title'].startswith(said['title']) and r['author'] == said['author']


def test_a_reprint_on_the_other_side_of_the_split_goes_from_train(archive, built, tmp_path):
    from histlm.plant import read_truth
    sides, kept = {r['id']: r['split'] for r in read_manifest(archive)}, {id.split('#')[0] for id in texts(built)}
    pairs = [(t['id'], t['reprint_of']) for t, _ in read_truth(archive) if t['reprint_of']]
    assert pairs and all(sides[a] != sides[b] for a, b in pairs)
    for pair in pairs: assert [id for id in pair if id in kept] == [id for id in pair if sides[id] == 'valid'], pair
    gone = {r['file']: r for r in ledger(built) if r['stage'] == 'dedup' and r['outcome'] == 'dropped'}
    assert set(gone) >= {id for pair in pairs for id in pair if sides[id] == 'train'}


def test_the_same_bytes_again_and_on_two_workers(archive, built, tmp_path):
    build_corpus(archive, tmp_path/'two', workers=2, shard_bytes=20_000, name=archive.name)
    assert tree(tmp_path/'two') == tree(built)
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(('.work', '.tmp'))] == []


def test_bytes_do_not_depend_on_the_size_of_the_tasks(archive, built, tmp_path):
    build_corpus(archive, tmp_path/'one', workers=1, shard_bytes=10**8)
    assert {n: s for n, s in tree(tmp_path/'one').items() if n.startswith('documents')} == {
        n: s for n, s in tree(built).items() if n.startswith('documents')}


def test_a_second_call_says_so_and_does_nothing(archive, built, capsys):
    before = {p: p.stat().st_mtime_ns for p in built.rglob('*')}
    assert build_corpus(archive, built, workers=1, shard_bytes=20_000)['found']
    assert before == {p: p.stat().st_mtime_ns for p in built.rglob('*')}
    with pytest.raises(CorpusError, match='settings differ'): build_corpus(archive, built, workers=1, cutoff=1700)


def hostile(folder):
    "Files that no corpus wants, one honest letter among them; returns the ids that must be dropped."
    rows, letter = [], 'SIR,\n\n' + '\n\n'.join(f'I have yours of the {n}th instant, and shall wait upon you in Fleet-street on Tuesday next, '
                                                f'when I hope to find you and your good Family in perfect Health.' for n in range(5, 19)) + '\n'
    tei = '<?xml version="1.0"?><TEI><text><body><p>The Play begins, and the King enters with all his Train.</p></body></text></TEI>'
    add(folder, rows, 'letter.txt', letter, source='letters', year=1722, split='train')
    enemies = {'binary.txt': bytes(range(256)) * 40, 'cut.xml': tei[:-30], 'empty.txt': b'', 'line.txt': b'x' * 33_000_000,
               'laughs.xml': '<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "' + 'ha' * 50 + '">' + ''.join(
                   f'<!ENTITY {b} "{("&" + a + ";") * 50}">' for a, b in zip('abcde', 'bcdef')) + ']><TEI><text><body><p>&f;</p></body></text></TEI>',
               'outside.xml': '<?xml version="1.0"?><!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><TEI><text><body><p>&x;</p></body></text></TEI>',
               'bomb.zip': zip_bomb(), 'bomb.txt.gz': gzip_bomb(), 'cut.pdf': b'%PDF-1.4\n1 0 obj\n<< /Length 99999999 >>\nstream\n',
               'nul.txt': b'My Lord\0' * 500}
    for name, raw in enemies.items(): add(folder, rows, name, raw, source='enemies', year=1722)
    add(folder, rows, 'sum.txt', letter.replace('Sir', 'My Lord'), source='letters')
    rows[-1]['sha256'] = '0' * 64
    rows += [dict(id='passwd', path='../../../../etc/passwd'), dict(id='link', path='link.txt'), dict(id='year', path='letter.txt', year='c. 1722')]
    os.symlink('/etc/hostname', folder/'link.txt')
    write_manifest(folder, rows)
    return {*enemies, 'sum.txt', 'passwd', 'link', 'year'}


def zip_bomb():
    import io, zipfile
    with zipfile.ZipFile(out := io.BytesIO(), 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a.txt', b'0' * 20_000_000)
    return out.getvalue()


def gzip_bomb():
    import gzip
    return gzip.compress(b'a ' * 10_000_000)


def test_hostile_files_are_counted_and_the_rest_goes_on(tmp_path):
    (tmp_path/'src').mkdir()
    bad = hostile(tmp_path/'src')
    facts = build_corpus(tmp_path/'src', tmp_path/'out', workers=1)
    dropped = {r['file']: r for r in ledger(tmp_path/'out') if r['outcome'] == 'dropped'}
    assert set(dropped) == bad and {r['stage'] for r in dropped.values()} == {'extract'}
    assert all(r['reason'] and r['reason'] != 'unexpected' and r['detail'] for r in dropped.values()), dropped
    assert list(texts(tmp_path/'out')) == ['letter.txt'] and check_ledger(tmp_path/'out')['files'] == len(bad) + 1
    assert 'root:' not in json.dumps(facts)


def test_names_that_are_hard_on_tools(tmp_path):
    "Folders that matplotlib would read as mathematics or leave out, a line end in a name, a name too long, links that lead nowhere."
    src, letter = tmp_path/'src', 'SIR,\n\n' + ' '.join(f'I shall send the {n}th Parcel of your Goods by the Carrier on Tuesday.' for n in range(5, 40)) + '\n'
    for name in ('$x_{$/a.txt', '_drafts/b.txt', 'line\nend/c.txt', 'a', 'a#1'):
        (src/name).parent.mkdir(parents=True, exist_ok=True)
        (src/name).write_text(letter.replace('Parcel', name[-6:]))
    os.symlink('nowhere', src/'dangling.txt')
    os.mkfifo(src/'pipe.txt')
    facts = build_corpus(src, tmp_path/'out', workers=1, off=('filter', 'dedup'))
    assert {r['file']: r['reason'] for r in ledger(tmp_path/'out') if r['outcome'] == 'dropped'} == {
        'a#1': 'bad id', 'dangling.txt': 'no file', 'pipe.txt': 'no file'}
    assert facts['documents'] == 4 and set(facts['by_source']) == {'$x_{$', '_drafts', 'line\nend', 'src'} and check_ledger(tmp_path/'out')


def test_links_in_a_circle_are_named_and_the_rest_goes_on(tmp_path):
    "A folder without a manifest, in which two links lead to each other, one to itself, and a linked folder to its parent."
    src, letter = tmp_path/'src', 'SIR,\n\n' + ' '.join(f'I shall send the {n}th Parcel of your Goods by the Carrier on Tuesday.' for n in range(5, 40)) + '\n'
    (src/'letters').mkdir(parents=True)
    (src/'letters'/'1.txt').write_text(letter)
    for name, to in (('a.txt', 'b.txt'), ('b.txt', 'a.txt'), ('letters/self.txt', 'self.txt'), ('letters/up', '..')): os.symlink(to, src/name)
    with pytest.raises(CorpusError, match='in a circle'): open_corpus(src)
    build_corpus(src, tmp_path/'out', workers=1)
    assert {r['file']: (r['stage'], r['reason']) for r in ledger(tmp_path/'out') if r['outcome'] == 'dropped'} == {
        name: ('extract', 'no file') for name in ('a.txt', 'b.txt', 'letters/self.txt')}
    assert list(texts(tmp_path/'out')) == ['letters/1.txt'] and check_ledger(tmp_path/'out')['files'] == 4
    (src/'manifest.csv').write_text('path\nletters/1.txt\nletters/self.txt\n')
    with pytest.raises(CorpusError, match='line 3.*in a circle'): open_corpus(src)
    build_corpus(src, tmp_path/'listed', workers=1)
    assert list(texts(tmp_path/'listed')) == ['letters/1.txt'] and check_ledger(tmp_path/'listed')['files'] == 2


PLAY = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>The Opportunity</title><author>James Shirley</author></titleStmt>
<sourceDesc><biblFull><publicationStmt><date>1640.</date></publicationStmt></biblFull></sourceDesc></fileDesc></teiHeader>
<standOff><event type="written" when="1634"/></standOff><text><body><p>%s</p></body></text></TEI>"""


def test_a_year_of_birth_in_the_manifest_gives_way_and_is_noted(tmp_path):
    rows, src = [], tmp_path/'src'
    for year in (1571, 1637):
        words = f'I pray you, sir, in {year + 3} or after, bring her the letter to the garden, and say that the Duke hath sent me hither. '
        add(src, rows, f'{year}.xml', PLAY % (words * 12), source='plays', title=f'Play {year}', year=year, split='train')
    write_manifest(src, rows)
    facts = build_corpus(src, tmp_path/'out', workers=1, off=('dedup',))
    assert {r['title']: r['year'] for r in texts(tmp_path/'out').values()} == {'Play 1571': 1634, 'Play 1637': 1637}
    assert [(r['id'], r['bytes_in'] - r['bytes_out'], r['detail']) for r in ledger(tmp_path/'out') if r['outcome'] == 'noted'] == [
        ('1571.xml', 0, 'the manifest says 1571, but written in 1634: 1634')]
    assert facts['redated'] == 1 and list(facts['by_decade']) == ['1630']
    check_ledger(tmp_path/'out')


def test_a_year_outside_the_four_digits_is_a_year(tmp_path):
    (tmp_path/'src').mkdir()
    rows, letter = [], 'I have yours of the 5th instant, and shall wait upon you in Fleet-street on Tuesday. ' * 12
    for name, year in (('old.txt', 850), ('older.txt', -44), ('good.txt', 1722)): add(tmp_path/'src', rows, name, letter + name, year=year)
    write_manifest(tmp_path/'src', rows)
    build_corpus(tmp_path/'src', tmp_path/'out', workers=1, off=('dedup',))
    assert list(texts(tmp_path/'out')) == ['good.txt']


def test_ctrl_c_says_one_line_and_can_go_on(archive, built, tmp_path):
    "SIGINT to all processes of the terminal while workers start: no traceback, and the same bytes in the end."
    code = f'import sys; from histlm.corpus import corpus_main; sys.exit(corpus_main(sys.argv[1:]))'
    words = [PYTHON, '-c', code, str(archive), str(tmp_path/'out'), '--workers', '2']
    job = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path/'.out.work'/'plan.json').exists() and time.monotonic() < deadline and job.poll() is None: time.sleep(0.01)
    time.sleep(0.3)   # workers are being started, or import
    os.killpg(job.pid, signal.SIGINT)
    said = job.communicate(timeout=120)[0]
    assert job.returncode == 1 and 'Traceback' not in said and said.splitlines()[-1].endswith('the same command goes on where it was'), said
    assert not (tmp_path/'out').exists() and (tmp_path/'.out.work'/'plan.json').exists()


def test_a_manifest_without_its_column_is_refused_at_once(tmp_path):
    (tmp_path/'manifest.csv').write_text('id,file\n1,a.txt\n')
    with pytest.raises(CorpusError, match='line 1: there is no column path'): build_corpus(tmp_path, tmp_path.parent/'never')
    assert not (tmp_path.parent/'never').exists()


def test_each_stage_switched_off_shows(archive, built, tmp_path):
    on = json.loads((built/'corpus.json').read_text())
    off = build_corpus(archive, tmp_path/'off', workers=1, off=STAGES)
    assert set(off['ledger']) == {'extract'} and off['documents'] == on['documents'] + sum(
        c['documents'] for stage, by in on['ledger'].items() if stage != 'extract' for c in by.values())
    assert {'filter', 'dedup'} <= set(on['ledger']) and 'late.txt' in texts(tmp_path/'off') and check_ledger(tmp_path/'off')
    gate = build_corpus(archive, tmp_path/'gate', workers=1, commercial=True, off=('normalise', 'filter', 'dedup'))
    none = build_corpus(archive, tmp_path/'none', workers=1, commercial=True, off=STAGES)
    assert 'licence' in gate['ledger'] and 'licence' not in none['ledger']


def test_the_licence_gate(archive, tmp_path):
    free = build_corpus(archive, tmp_path/'free', workers=1, commercial=True)
    assert set(free['by_licence']) == {'CC0-1.0', 'CC-BY-SA-4.0'} and set(free['ledger']['licence']) == {'non-commercial', 'unknown'}
    one = build_corpus(archive, tmp_path/'one', workers=1, licences=('CC0-1.0',))
    assert set(one['by_licence']) == {'CC0-1.0'} and check_ledger(tmp_path/'one')['kept'] == one['bytes']


def test_the_card_names_what_a_reader_must_know(built):
    card, page = (built/'card.md').read_text(), (built/'card.html').read_text()
    for word in ('non-commercial', 'share-alike', 'unknown', 'line 23', 'he for every she', '1850'): assert word in card and word in page, word
    for picture in ('decades', 'flow', 'reasons', 'pronouns', 'places'):
        assert f'card/{picture}.png' in page and (built/'card'/f'{picture}.png').read_bytes().startswith(b'\x89PNG')


def test_kill_nine_leaves_nothing_and_the_next_call_finishes(archive, built, tmp_path):
    settings = json.dumps(dict(workers=1, shard_bytes=20_000, name=archive.name))
    job = subprocess.Popen([PYTHON, '-c', BUILD, str(archive), str(tmp_path/'out'), settings], stdout=subprocess.DEVNULL, cwd=ROOT)
    parts = tmp_path/'.out.work'/'parts'
    deadline = time.monotonic() + 60
    while not (parts.is_dir() and len(list(parts.glob('*.examples.json'))) >= 2) and time.monotonic() < deadline and job.poll() is None: time.sleep(0.01)
    job.kill()
    assert job.wait() == -signal.SIGKILL and not (tmp_path/'out').exists(), 'the build ended before it was killed'
    first = parts/'00000.documents.parquet'
    stamp = first.stat().st_mtime_ns
    (tmp_path/'.out.abc.tmp').mkdir()  # as a kill in the last pass leaves it
    build_corpus(archive, tmp_path/'out', workers=1, shard_bytes=20_000, name=archive.name)
    assert tree(tmp_path/'out') == tree(built)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['.out.lock', 'out'] and stamp


SLOW_PARQUET = """
import time, pyarrow.parquet as pq
write = pq.ParquetWriter.write_table
def slow(self, *a, **k): write(self, *a, **k); open('writing', 'a').write('x'); time.sleep(0.2)
pq.ParquetWriter.write_table = slow
"""


def kill_when(job, ready, seconds=120):
    "SIGKILL for the whole group of a build as soon as something is true; False where the build ended first."
    deadline = time.monotonic() + seconds
    while job.poll() is None and time.monotonic() < deadline and not ready(): time.sleep(0.002)
    alive = job.poll() is None
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    return alive


def test_killed_again_and_again_it_ends_with_the_same_bytes(archive, built, tmp_path):
    "SIGKILL for the command and its workers, while parts are written, in the last pass while Parquet is being written, and at drawn moments."
    (tmp_path/'slow.py').write_text(SLOW_PARQUET)
    work, out, draw = tmp_path/'.out.work', tmp_path/'out', random.Random(9)
    code = f'import slow, sys, json; from histlm.corpus import build_corpus; build_corpus(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))'
    words = [PYTHON, '-c', code, str(archive), str(out), json.dumps(dict(workers=1, shard_bytes=20_000, name=archive.name))]
    start = lambda: subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path, start_new_session=True,
                                     env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'})
    parts = lambda n: lambda: len(list((work/'parts').glob('*.documents.parquet'))) >= n
    def last():   # a row group has been written, others are to come
        (tmp_path/'writing').unlink(missing_ok=True)
        return (tmp_path/'writing').exists
    after = lambda seconds: (lambda end: lambda: time.monotonic() > end)(time.monotonic() + seconds)
    moments = [lambda: parts(1), lambda: after(draw.uniform(1, 3)), last, lambda: after(draw.uniform(1, 4)), last]
    killed = []
    for moment in moments:
        killed.append(kill_when(start(), moment()))
        assert not out.exists() or tree(out) == tree(built)
    assert killed[0] and killed[2] and killed[4]
    build_corpus(archive, out, workers=1, shard_bytes=20_000, name=archive.name)
    assert tree(out) == tree(built) and check_ledger(out)
    assert not [p.name for p in tmp_path.iterdir() if p.name.endswith(('.work', '.tmp'))]


@pytest.mark.parametrize('workers', [1, 2])
def test_a_worker_that_dies_costs_one_file_not_the_work(archive, tmp_path, workers):
    settings = json.dumps(dict(workers=workers, shard_bytes=10_000))
    job = subprocess.Popen([PYTHON, '-c', BUILD, str(archive), str(tmp_path/'out'), settings], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    at, victim, deadline = tmp_path/'.out.work'/'at', None, time.monotonic() + 60
    while victim is None and time.monotonic() < deadline and job.poll() is None:
        for note in at.glob('*') if at.is_dir() else ():
            os.kill(int(note.name), signal.SIGSTOP)  # so that it is still at this file when it dies
            victim = note.read_text()
            os.kill(int(note.name), signal.SIGKILL)
            break
        time.sleep(0.005)
    said = job.communicate(timeout=120)[0]
    assert victim and job.returncode == 0, said
    dropped = {r['file']: r for r in ledger(tmp_path/'out') if r['outcome'] == 'dropped'}
    assert victim in said and dropped[victim]['reason'] == 'crash' and check_ledger(tmp_path/'out')


DEADLY = """
import os, signal, histlm.corpus as corpus
from histlm.blocks import ExtractTexts

class Deadly(ExtractTexts):
    "Two files end the process that reads them: a library leaves by the back door, the kernel wants its memory back."
    def extract(self, item):
        if item.id == 'exits.txt' and not item.metadata['error']: os._exit(139)
        if item.id == 'eats.txt' and not item.metadata['error']: os.kill(os.getpid(), signal.SIGKILL)
        return super().extract(item)

before = corpus.corpus_blocks
corpus.corpus_blocks = lambda *a, **k: [Deadly() if isinstance(b, ExtractTexts) else b for b in before(*a, **k)]
"""


def test_files_that_end_their_reader_are_left_out_by_one_worker_as_by_two(tmp_path):
    src = tmp_path/'src'
    src.mkdir()
    (tmp_path/'deadly.py').write_text(DEADLY)
    for n, name in enumerate(('1.txt', 'eats.txt', 'exits.txt', '3.txt')):
        (src/name).write_text(f'On the {n + 3}th Day. ' + ' '.join(f'I shall send Parcel {n * i} of your Goods on Tuesday.' for i in range(5, 40)))
    for workers in (1, 2):
        made = run([PYTHON, '-c', 'import deadly\n' + BUILD, src, tmp_path/f'by {workers}', json.dumps(dict(workers=workers, off=['dedup'], shard_bytes=1000))],
                   PYTHONPATH=tmp_path)
        assert made.returncode == 0 and all(f in made.stdout for f in ('a worker died while it read', 'eats.txt', 'exits.txt')), made.stdout
    dropped = {r['file']: (r['stage'], r['reason'], r['detail']) for r in ledger(tmp_path/'by 1') if r['outcome'] == 'dropped'}
    assert dropped == {f: ('extract', 'crash', 'a worker died while it read this file') for f in ('eats.txt', 'exits.txt')}
    assert set(texts(tmp_path/'by 1')) == {'1.txt', '3.txt'} and check_ledger(tmp_path/'by 1') and tree(tmp_path/'by 1') == tree(tmp_path/'by 2')


def test_training_reads_it(built, tmp_path, capsys):
    from histlm.data import prepare
    corpus = open_corpus(built)
    assert corpus.n_documents == len(texts(built)) and {d.split for d in corpus.documents()} == {'train', 'valid'}
    data = prepare(built, vocab_size=600, context=32, root=tmp_path)
    assert data.corpus_fingerprint == corpus.fingerprint
    assert data.split('train').n_bytes + data.split('valid').n_bytes == corpus.raw_bytes
    part = next((built/'documents').glob('*.parquet'))
    other = tmp_path/'changed'
    shutil.copytree(built, other)
    with open(other/'documents'/part.name, 'r+b') as f: f.write(b'Q')
    with pytest.raises(CorpusError, match='has changed'): open_corpus(other)


def test_the_command_explains_itself_and_fails_in_one_line(archive, tmp_path, capsys):
    with pytest.raises(SystemExit) as told: corpus_main(['--help'])
    said = capsys.readouterr().out
    assert told.value.code == 0 and all(w in said for w in ('manifest.csv', '--commercial', 'rules of filter', 'exit codes'))
    assert corpus_main([str(tmp_path/'nowhere'), str(tmp_path/'x')]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith('scripts/corpus: failed: ')
    home = tmp_path/'home'
    home.mkdir()
    made = run([PYTHON, '-c', 'import sys; from histlm.corpus import corpus_main; sys.exit(corpus_main(sys.argv[1:]))', archive, tmp_path/'out',
                '--workers', '1', '-x', 'dedup'], HOME=home, HISTLM_DATA=tmp_path/'data')
    assert made.returncode == 0 and 'scripts/train --corpus' in made.stdout and 'every byte is accounted for' in made.stdout, made.stdout
    assert list(home.iterdir()) == [] and 'datatrove' not in made.stdout and 'INFO' not in made.stdout
