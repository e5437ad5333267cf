"Collecting against servers that misbehave: every protection at work, shown failing when off, and killed at any moment."
import contextlib, http.server, json, os, random, re, signal, subprocess, sys, threading, time
from pathlib import Path

import pytest

from conftest import run
from histlm import collect as c, fetch
from histlm.core import HistlmError, fingerprint
from histlm.corpora import open_corpus

QUICK = c.Manners(pause_s=0, backoff_s=.01, read_s=.4, connect_s=1, file_s=8, tries=3)
ROW = dict(id='v', title='V', kind='web', format='text', licence='none', seen='this test', year=1722)
TEXT = ''.join(f'{i}. Whereas the said Petitioner humbly sheweth.\n' for i in range(4000)).encode()   # 190 kB


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    "No waiting for the disk in this process; the processes that are killed do wait."
    monkeypatch.setattr(os, 'fsync', lambda fd: None)


class Server(http.server.BaseHTTPRequestHandler):
    "Misbehaves as the first part of the path says; ranges and validators work unless that is the misbehaviour."
    robots = None

    def do_GET(self):
        s = self.server
        with s.lock:
            s.log.append((self.path, self.headers.get('Range'), dict(self.headers)))
            s.open, self.counted = s.open + 1, 1
            s.most = max(s.most, s.open)
        try: self.answer()
        except (BrokenPipeError, ConnectionResetError): pass
        finally: self.over()

    def over(self):
        "Counts this request as answered: before its last bytes go, since the client may come back before this thread runs again."
        with self.server.lock: self.server.open, self.counted = self.server.open - self.counted, 0

    def answer(self):
        if self.path == '/robots.txt':
            return self.send(404, b'') if self.server.robots is None else self.send(200, self.server.robots)
        habit, _, rest = self.path.lstrip('/').partition('/')
        getattr(self, 'do_' + habit.replace('-', '_'))(rest)

    def send(self, status, body, announce=None, first=None, etag='"1"', **headers):
        self.send_response(status)
        if announce is not False: self.send_header('Content-Length', str(len(body) if announce is None else announce))
        if etag: self.send_header('ETag', etag)
        for k, v in headers.items(): self.send_header(k.replace('_', '-'), v)
        self.over()
        self.end_headers()
        self.wfile.write(body[:first])

    def ranged(self, body, etag='"1"', **more):
        "The file, or the rest of it where that was asked for and is still the same."
        m = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(m[1]) if m and etag and self.headers.get('If-Range') == etag else 0
        if m and start >= len(body): return self.send(416, b'', etag=etag, Content_Range=f'bytes */{len(body)}')
        if start: more['Content_Range'] = f'bytes {start}-{len(body) - 1}/{len(body)}'
        self.send(206 if start else 200, body[start:], etag=etag, **more)

    def asked(self): return sum(1 for p, *_ in self.server.log if p == self.path)

    def do_ok(self, rest): self.ranged(TEXT + rest.encode())
    def do_cut(self, rest): self.ranged(TEXT, first=50_000)                      # breaks off, again and again
    def do_cut_no_etag(self, rest): self.ranged(TEXT, etag='', first=50_000 if self.asked() < 3 else None)
    def do_stall(self, rest):                                                     # half a file, then silence, the first time
        self.ranged(TEXT, first=60_000 if self.asked() < 2 else None)
        if self.asked() < 2: time.sleep(1)
    def do_mute(self, rest): time.sleep(1)
    def do_drip(self, rest):                                                      # never silent long enough to time out
        self.send(200, TEXT, first=0)
        for i in range(200):
            self.wfile.write(TEXT[i:i + 1])
            time.sleep(.05)
    def do_long(self, rest): self.send(200, TEXT, announce=len(TEXT) + 1000)      # announces more than there is
    def do_short(self, rest): self.send(200, TEXT, announce=len(TEXT) - 1000)     # announces less
    def do_hangup(self, rest): self.send(200, TEXT, announce=False)               # announces nothing; the end is a closed line
    def do_hangup_cut(self, rest): self.send(200, TEXT, announce=False, first=random.randrange(1000, 150_000))
    def do_chunks(self, rest):                                                    # chunked; the first time without the chunk that says "end"
        m = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(m[1]) if m else 0
        where = dict(Content_Range=f'bytes {start}-{len(TEXT) - 1}/{len(TEXT)}') if m else {}
        self.send(206 if m else 200, b'', announce=False, Transfer_Encoding='chunked', **where)
        for i in range(start, len(TEXT) if self.asked() > 1 else 100_000, 20_000):
            self.wfile.write(b'%x\r\n%b\r\n' % (len(TEXT[i:i + 20_000]), TEXT[i:i + 20_000]))
        if self.asked() > 1: self.wfile.write(b'0\r\n\r\n')
    def do_nonsense(self, rest): self.send(200, TEXT, announce='many')
    def do_circle(self, rest): self.send(302, b'', Location='/circle/' + ('b' if rest == 'a' else 'a'))
    def do_hops(self, rest): self.ranged(TEXT) if rest == '0' else self.send(301, b'', Location=f'/hops/{int(rest) - 1}')
    def do_to(self, rest): self.send(302, b'', Location=rest)
    def do_busy(self, rest):                                                      # 429 twice, then the file
        self.ranged(TEXT) if self.asked() > 2 else self.send(429, b'', Retry_After='7')
    def do_ill(self, rest): self.ranged(TEXT) if self.asked() > 2 else self.send(500, b'')
    def do_dead(self, rest): self.send(503, b'')
    def do_later(self, rest): self.send(503, b'', Retry_After='86400')
    def do_norange(self, rest): self.send(200, TEXT, first=50_000 if self.asked() < 2 else None)
    def version(self): return TEXT if self.asked() < 2 else TEXT.replace(b'Petitioner', b'Petitioners')
    def do_changing(self, rest):                                                  # another file after the first request, with an honest ETag
        body = self.version()
        self.ranged(body, etag=f'"{len(body)}"', first=50_000 if self.asked() < 2 else None)
    def do_gluing(self, rest):                                                    # the same, but If-Range is not understood
        body, m = self.version(), re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        if not m: return self.send(200, body, etag=f'"{len(body)}"', first=50_000 if self.asked() < 2 else None)
        self.send(206, body[int(m[1]):], etag=f'"{len(body)}"', Content_Range=f'bytes {m[1]}-{len(body) - 1}/{len(body)}')
    def do_elsewhere(self, rest):                                                 # sends another range than the one asked for
        if self.asked() == 2: return self.send(206, TEXT[:9], Content_Range=f'bytes 0-8/{len(TEXT)}')
        self.send(200, TEXT, first=50_000 if self.asked() < 2 else None)
    def do_page(self, rest): self.send(200, b'<html><body>Donate!</body></html>', Content_Type='text/html; charset=utf-8')
    def do_packed(self, rest): self.send(200, b'\x1f\x8b...', Content_Encoding='gzip')
    def do_empty(self, rest): self.send(200, b'')
    def do_huge(self, rest): self.send(200, b'x', announce=10**12)
    def do_endless(self, rest):
        self.send(200, b'', announce=False)
        for _ in range(100): self.wfile.write(b'x' * 65536)
    def do_thin(self, rest):                                                      # an honest file behind a thin line
        body = random.Random(rest).randbytes(150_000)
        wfile, self.wfile = self.wfile, self
        self.thin = wfile
        self.ranged(body, etag=f'"{rest}"')
    def write(self, data):
        for i in range(0, len(data), 3000):
            self.thin.write(data[i:i + 3000])
            time.sleep(.002)
    def flush(self): self.thin.flush()
    @property
    def closed(self): return self.thin.closed
    def close(self): self.thin.close()
    def log_message(self, *_): pass


@contextlib.contextmanager
def serving():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server)
    server.lock, server.log, server.open, server.most, server.robots = threading.Lock(), [], 0, 0, None
    server.daemon_threads = True
    server.home = f'http://127.0.0.1:{server.server_port}'
    threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=.01), daemon=True).start()
    try: yield server
    finally: server.shutdown()


@pytest.fixture
def server():
    with serving() as s: yield s


def source(id, url, format='text', **more):
    return c.Source(id, id, 'web', format, 'none', 'this test', year=1722, url=url, **more)


def get(server, tmp_path, path, manners=QUICK, **more):
    "Collect one file; its bytes, or the reason why not."
    report = c.collect([source('x', server.home + path, **more)], tmp_path/'out', manners=manners)
    [f] = report.files
    return (tmp_path/'out'/f['path']).read_bytes() if f['status'] != 'failed' else f['reason']


# ---- what a server can do

@pytest.mark.parametrize('path', ['/ok/', '/cut/', '/stall/', '/busy/', '/ill/', '/norange/', '/hangup/', '/hops/3', '/elsewhere/',
                                  '/cut-no-etag/', '/chunks/'])
def test_gets_the_file_in_spite_of(server, tmp_path, monkeypatch, path):
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: None)
    assert get(server, tmp_path, path) == TEXT


@pytest.mark.parametrize('path, reason', [
    ('/mute/', 'time'), ('/drip/', 'time'), ('/long/', 'cut short'), ('/hangup-cut/', 'length'), ('/nonsense/', 'answer'), ('/circle/a', 'redirects'),
    ('/hops/9', 'redirects'), ('/to/file:///etc/passwd', 'address'), ('/to/ftp://a.org/', 'address'), ('/to/http://a:b@a.org/', 'address'),
    ('/dead/', 'busy'), ('/later/', 'busy'), ('/page/', 'web page'), ('/packed/', 'answer'), ('/empty/', 'empty'), ('/huge/', 'too large'),
    ('/endless/', 'too large'), ('/missing-habit', 'unreachable')])
def test_gives_up_with_the_reason(server, tmp_path, monkeypatch, path, reason):
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: None)
    monkeypatch.setattr(server, 'handle_error', lambda *a: None)
    manners = c.dataclasses.replace(QUICK, max_bytes=1_000_000, file_s=2, read_s=.2)
    assert get(server, tmp_path, path, manners) == reason
    assert not list((tmp_path/'out').glob('documents/**/*.txt'))
    assert (tmp_path/'out'/'manifest.csv').read_text().count('\n') == 1


def test_resumes_and_does_not_begin_again(server, tmp_path):
    get(server, tmp_path, '/cut/')
    ranges = [r for p, r, _ in server.log if p == '/cut/']
    assert ranges == [None, 'bytes=50000-', 'bytes=100000-', 'bytes=150000-']


def test_unreachable_host_costs_three_files_not_all(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: None)
    def refused(*_):
        calls.append(1)
        raise c.DownloadError('unreachable', 'refused', again=True)
    monkeypatch.setattr(fetch, 'fetch_once', refused)
    many = [source(f'f{i}', f'http://127.0.0.1:9/{i}.txt') for i in range(20)]
    report = c.collect(many, tmp_path, manners=QUICK)
    assert len(report.with_status('failed')) == 20 and len(calls) == 3 * QUICK.tries


# ---- each protection off

def test_a_changed_file_is_not_glued(server, tmp_path, monkeypatch):
    new = TEXT.replace(b'Petitioner', b'Petitioners')
    assert get(server, tmp_path, '/changing/') == new
    assert get(server, tmp_path/'2', '/gluing/') == new
    server.log.clear()
    monkeypatch.setattr(fetch, 'where_it_goes_on', lambda r, part: part.size if r.status_code == 206 else 0)   # off
    assert get(server, tmp_path/'3', '/gluing/') == TEXT[:50_000] + new[50_000:]                         # what nobody wrote


def test_length_is_checked(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: None)
    assert get(server, tmp_path, '/hangup-cut/') == 'length'
    once = fetch.fetch_once
    monkeypatch.setattr(fetch, 'fetch_once', lambda *a: once(*a) or True)   # off: believe whatever came
    assert len(get(server, tmp_path/'2', '/hangup-cut/')) < len(TEXT)


def test_checksum_catches_what_length_cannot(server, tmp_path):
    right = fingerprint(TEXT)
    assert get(server, tmp_path, '/short/') == TEXT[:-1000]                    # off: no checksum is known, and the lie is believed
    assert get(server, tmp_path/'2', '/short/', sha256=right) == 'checksum'
    assert get(server, tmp_path/'3', '/ok/', sha256=right) == TEXT


def test_robots(server, tmp_path):
    server.robots = b'User-agent: *\nDisallow: /*/private\nDisallow: /hops/0\n'
    assert get(server, tmp_path, '/ok/private.txt') == 'robots'
    assert not [p for p, *_ in server.log if 'private' in p]
    assert get(server, tmp_path/'2', '/ok/private.txt', c.dataclasses.replace(QUICK, robots=False)).startswith(TEXT)   # off
    server.log.clear()
    assert get(server, tmp_path/'3', '/hops/1') == 'robots'
    assert [p for p, *_ in server.log] == ['/robots.txt', '/hops/1'], 'a redirect is asked about too'
    assert all(h['User-Agent'].startswith('histlm-collect') for *_, h in server.log)


def test_broken_robots_forbids_for_now(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: None)
    monkeypatch.setattr(Server, 'answer', lambda self: self.send(500, b''))
    assert get(server, tmp_path, '/ok/') == 'busy'
    assert {p for p, *_ in server.log} == {'/robots.txt'}


def test_crawl_delay_lengthens_the_pause(server):
    server.robots = b'User-agent: *\nCrawl-delay: 11\n'
    net = c.Net(QUICK)
    net.obey(server.home + '/ok/')
    assert net.host(server.home).pause_s == 11


def test_waits_are_those_asked_for(server, tmp_path, monkeypatch):
    rests = []
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: rests.append(seconds))
    manners = c.dataclasses.replace(QUICK, backoff_s=100, longest_wait_s=10_000, tries=5)
    assert get(server, tmp_path, '/busy/', manners) == TEXT
    assert [s for s in rests if s] == [7, 7]
    rests.clear()
    assert get(server, tmp_path/'2', '/dead/', manners) == 'busy'
    waits = [s for s in rests if s]
    assert len(waits) == 4 and all(50 * 2**i <= w <= 100 * 2**i for i, w in enumerate(waits)) and len(set(waits)) == 4
    server.log.clear()
    assert get(server, tmp_path/'3', '/later/', manners) == 'busy'
    assert sum(p == '/later/' for p, *_ in server.log) == 1, 'a host that asks for a day is not asked again'


def test_no_redirect_into_a_private_network(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, 'is_private', lambda host: host == '127.0.0.1')   # here, localhost plays the open web
    url = f'http://localhost:{server.server_port}/to/{server.home}/ok/'
    report = c.collect([source('x', url)], tmp_path/'1', manners=QUICK)
    assert report.files[0]['reason'] == 'address'
    monkeypatch.setattr(fetch, 'is_private', lambda host: False)   # off
    assert c.collect([source('x', url)], tmp_path/'2', manners=QUICK).ok


def test_web_page_in_place_of_a_text(server, tmp_path, monkeypatch):
    assert get(server, tmp_path, '/page/') == 'web page'
    assert b'Donate' in get(server, tmp_path/'2', '/page/', format='html'), 'a web page may be what was asked for'
    monkeypatch.setattr(fetch, 'check_answer', lambda *a: None)   # off
    assert b'Donate' in get(server, tmp_path/'3', '/page/')


def test_one_request_at_a_time_to_a_host_several_hosts_at_once(tmp_path, monkeypatch):
    "Two servers; the first redirects everything to the second, which has work of its own."
    def both():
        with serving() as a, serving() as b:
            sources = [source(f'a{i}', f'{a.home}/to/{b.home}/ok/a{i}') for i in range(6)]
            sources += [source(f'b{i}', f'{b.home}/ok/b{i}') for i in range(6)]
            folder = tmp_path/os.urandom(4).hex()
            return c.collect(sources, folder, manners=QUICK), a.most, b.most
    ok, answer = Server.do_ok, lambda self, rest: time.sleep(.03) or ok(self, rest)
    monkeypatch.setattr(Server, 'do_ok', answer)
    report, a, b = both()
    assert report.ok and (a, b) == (1, 1)
    monkeypatch.setattr(fetch.Host, 'turn', lambda self: contextlib.nullcontext())   # off
    report, a, b = both()
    assert b > 1


def test_names_cannot_lead_out(server, tmp_path, monkeypatch):
    urls = [f'{server.home}/ok/..%2f..%2f..%2fevil.txt', f'{server.home}/ok/..%5c..%5cevil2.txt']
    both = source('x', server.home + '/ok/{..%2f..%2f..%2fevil,..%5c..%5cevil2}.txt')
    assert [f.url for f in c.source_files(both)] == urls
    assert c.collect([both], tmp_path/'a'/'b', manners=QUICK).ok
    assert not list(tmp_path.glob('evil*')) and len(list((tmp_path/'a'/'b'/'documents').rglob('evil*'))) == 2
    monkeypatch.setattr(c, '_safe_name', lambda path: '../../../../' + re.split(r'[/\\]', c.unquote(path))[-1])   # off: the second lock holds
    assert {f['reason'] for f in c.collect([both], tmp_path/'c'/'d', manners=QUICK).files} == {'disk'}
    monkeypatch.setattr(c.Places, 'check', lambda self: None)   # both off
    assert c.collect([both], tmp_path/'e'/'f', manners=QUICK).ok and list(tmp_path.rglob('evil.txt.txt'))


def test_a_full_disk_is_a_failure_of_its_own(server, tmp_path, monkeypatch):
    def full(*_): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(fetch, '_write', full)
    assert get(server, tmp_path, '/ok/') == 'disk'
    monkeypatch.undo()
    assert get(server, tmp_path, '/ok/') == TEXT


# ---- whole collections

def shelf(server): return [source(i, server.home + path) for i, path in (('a', '/ok/a'), ('b', '/ill/b'), ('c', '/gone'), ('d', '/cut/d'))]


def tree(folder):
    return {str(p.relative_to(folder)): fingerprint(p.read_bytes()) for p in sorted(folder.rglob('*'))
            if p.is_file() and '.collect' not in p.parts and p.name != 'report.json'}


def test_report_manifest_and_retry(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: None)
    monkeypatch.setattr(server, 'handle_error', lambda *a: None)
    Server.do_gone = lambda self, rest: self.send(404, b'')
    report = c.collect(shelf(server), tmp_path, manners=QUICK)
    assert [f['status'] for f in report.files] == ['fetched', 'fetched', 'failed', 'fetched']
    saved = json.loads((tmp_path/'report.json').read_text())['files']
    assert saved == report.files and saved[2]['reason'] == 'status' and '404' in saved[2]['detail']
    assert open_corpus(tmp_path).n_documents == 3, 'the manifest is one that chapter 00c reads, checksums and all'
    server.log.clear()
    report = c.collect(shelf(server), tmp_path, manners=QUICK)
    assert [f['status'] for f in report.files] == ['kept', 'kept', 'failed', 'kept']
    assert [p for p, *_ in server.log] == ['/robots.txt', '/gone'], 'nothing that is there is asked for'
    Server.do_gone = lambda self, rest: self.ranged(b'back again')
    report = c.collect(shelf(server), tmp_path, retry_failed=True, manners=QUICK)
    assert [f['status'] for f in report.files] == ['kept', 'kept', 'fetched', 'kept'] and open_corpus(tmp_path).n_documents == 4
    before = tree(tmp_path)
    assert c.collect(shelf(server), tmp_path, only=['a'], manners=QUICK).ok and tree(tmp_path) == before
    with pytest.raises(HistlmError, match='no source'): c.collect(shelf(server), tmp_path, only=['e'])
    del Server.do_gone


def test_json_is_unwrapped(tmp_path, monkeypatch):
    xml = '<div1 type="trialAccount" id="t17540116-4"><p>Guilty.</p></div1>'
    answer = json.dumps(dict(hits=dict(hits=[dict(_source=dict(xml=xml))]))).encode()
    monkeypatch.setattr(Server, 'answer', lambda self: self.ranged(answer if 'idkey' in self.path else b''))
    [trial] = [s for s in c.load_sources() if s.id == 'ob-kempster-1754']
    with serving() as server:
        report = c.collect([trial], tmp_path, {'www.dhi.ac.uk': server.home}, manners=QUICK)
        assert report.ok and (tmp_path/report.files[0]['path']).read_text() == xml
        monkeypatch.setattr(Server, 'answer', lambda self: self.ranged(b'{"hits": {"hits": []}}' if 'idkey' in self.path else b''))
        assert c.collect([trial], tmp_path/'2', {'www.dhi.ac.uk': server.home}, manners=QUICK).files[0]['reason'] == 'answer'


def test_crash_between_any_two_steps(server, tmp_path, monkeypatch):
    "A crash before each single disk operation in turn; the next run gives what an undisturbed one gives."
    class Crash(BaseException): pass
    monkeypatch.setattr(fetch.Host, 'rest', lambda self, seconds: None)
    both = [source('x', server.home + '/cut/'), source('y', server.home + '/ok/y')]
    c.collect(both, tmp_path/'calm', manners=QUICK)
    calm, n = tree(tmp_path/'calm'), 0
    while True:
        folder, left = tmp_path/str(n), [n]
        def crashing(f):
            def g(*a, **k):
                left[0] -= 1
                if left[0] == -1: raise Crash
                return f(*a, **k)
            return g
        with monkeypatch.context() as m:
            for owner, name in ((c, 'write_json'), (fetch, 'write_json'), (c, 'fsync_folder'), (fetch, '_write'), (c, 'file_sha256'),
                                (fetch, 'file_sha256'), (c.Part, 'drop'), (c.Part, 'save'), (os, 'replace'), (os, 'fsync'), (c, 'write_manifest')):
                m.setattr(owner, name, crashing(getattr(owner, name)))
            net = c.Net(QUICK)
            try:
                folder.mkdir()
                for f in [f for s in both for f in c.source_files(s)]: c.collect_file(net, folder, f)
                c.write_manifest(folder, [f for s in both for f in c.source_files(s)])
                c.write_json(folder/'report.json', {})
            except Crash: pass
            else: break
        assert c.collect(both, folder, manners=QUICK).ok
        assert tree(folder) == calm, f'crash before step {n}'
        n += 1
    assert n > 15


PRELOADED = '''
import os, sys
from histlm.collect import main
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
        try: code = main(line.split())
        finally: os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
'''


@pytest.fixture(scope='module')
def runner():
    "The command, started again and again by a process that has imported everything already."
    p = subprocess.Popen([sys.executable, '-c', PRELOADED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
    def start(*argv):
        p.stdin.write(' '.join(map(str, argv)) + '\n')
        return int(p.stdout.readline())
    yield start, lambda: int(p.stdout.readline())
    p.stdin.close()
    p.wait(10)


def test_killed_at_random_bytes(server, tmp_path, runner):
    "kill -9, again and again, at moments chosen by bytes on the disk; the files and the manifest are those of a calm run."
    rows = [ROW | dict(id=f'v{i}', url=f'{server.home}/thin/{i}') for i in range(6)]
    (tmp_path/'list.json').write_text(json.dumps(dict(source=rows)))
    c.collect(c.load_sources(tmp_path/'list.json'), tmp_path/'calm', manners=QUICK)
    rng, kills, out = random.Random(17), 0, tmp_path/'out'
    def on_disk(): return sum(p.stat().st_size for p in out.rglob('*') if p.suffix in ('.part', '.txt') and p.exists()) if out.exists() else 0
    server.log.clear()
    start, code = runner
    while True:
        pid = start(out, '--list', tmp_path/'list.json', '--pause-s', 0, '--backoff-s', .01)
        until, give_up = on_disk() + rng.randrange(0, 120_000), time.monotonic() + 20
        while on_disk() < until and time.monotonic() < give_up:
            if kills > 40 or len(list(out.glob('documents/web/*.txt'))) == 6: break
            time.sleep(.001)
        else:
            with contextlib.suppress(ProcessLookupError): os.kill(pid, signal.SIGKILL)
            kills += 1
        if (last := code()) == 0: break
        assert last == -9, f'exit code {last}'
    assert kills >= 5 and tree(out) == tree(tmp_path/'calm') and len(tree(out)) == 7
    assert sum(1 for _, r, _ in server.log if r) >= 3, 'some downloads were taken up in the middle'


def test_sigterm_stops_with_code_3_and_can_go_on(server, tmp_path, runner):
    (tmp_path/'list.json').write_text(json.dumps(dict(source=[ROW | dict(url=f'{server.home}/thin/' + '{1..9}')])))
    start, code = runner
    pid = start(tmp_path/'out', '--list', tmp_path/'list.json', '--pause-s', 0)
    while not [p for p, *_ in server.log if p.startswith('/thin')]: time.sleep(.005)
    os.kill(pid, signal.SIGTERM)
    assert code() == 3
    start(tmp_path/'out', '--list', tmp_path/'list.json', '--pause-s', 0)
    assert code() == 0 and len(tree(tmp_path/'out')) == 10


def test_command_line(server, tmp_path):
    row = ROW | dict(url='http://archive.invalid/ok/v')
    (tmp_path/'list.json').write_text(json.dumps(dict(source=[row, {**row, 'id': 'w', 'url': 'http://archive.invalid/page/w'}])))
    got = run([sys.executable, '-m', 'histlm.collect', '--list', tmp_path/'list.json', '--pause-s', '0', '--only', 'v', 'w',
               '--mirror', f'archive.invalid={server.home}', tmp_path/'out'])
    assert got.returncode == 1 and '1 fetched, 0 kept, 1 failed' in got.stdout and 'web page' in got.stdout.splitlines()[-1]
    assert c.main([str(tmp_path/'out'), '--mirror', 'nonsense']) == 1
    assert c.main([str(tmp_path/'new'), '--list', str(tmp_path/'list.json'), '--retry-failed']) == 1
    assert c.main(['--only', 'v']) == 1, 'OUT is missing, and v is not it'
    assert c.main(['--list', str(tmp_path/'list.json'), '--dry-run', '--only', 'v', str(tmp_path/'new')]) == 0


def test_strays_of_a_killed_process_are_swept(server, tmp_path):
    (tmp_path/'.collect').mkdir()
    strays = [tmp_path/'.manifest.csv.abc.tmp', tmp_path/'.collect'/'.x.part.json.abc.tmp']
    for s in strays: s.write_text('half')
    assert c.collect([source('x', server.home + '/ok/')], tmp_path, manners=QUICK).ok
    assert not any(s.exists() for s in strays)


# ---- the packaged list

def test_packaged_list():
    sources = c.load_sources()
    assert len(sources) >= 60 and len({s.id for s in sources}) == len(sources)
    assert {'gutenberg', 'standardebooks', 'eebo', 'ecco', 'oldbailey', 'londonlives', 'internetarchive', 'bho'} <= {s.kind for s in sources}
    for s in sources:
        assert s.licence and len(s.seen) > 15 and c.FIRST_YEAR <= (s.year or s.edition_year) <= c.LAST_YEAR
        assert all(f.url.startswith('https://') for f in c.source_files(s))
    titles = [(s.title.lower(), s.author.lower()) for s in sources]
    assert len(set(titles)) == len(titles), 'no work twice'
    assert sum(s.place == 'London' for s in sources) >= 40, 'London first'


@pytest.mark.parametrize('bad, field', [
    ({'colour': 'red'}, 'colour'), ({'seen': ''}, 'seen'), ({'licence': None}, 'licence'), ({'year': 1492}, 'year'), ({'year': 1851}, 'year'),
    ({'year': 1722.5}, 'year'), ({'edition_year': 1721}, 'edition_year'), ({'id': 'A B'}, 'id'), ({'id': '..'}, 'id'), ({'id': 'x' * 81}, 'id'),
    ({'url': 'https://www.gutenberg.org/ebooks/376'}, 'url'), ({'url': 'https://x.org/'}, 'url'), ({'url': 'gopher://x.org/a'}, 'url'),
    ({'url': 'https://'}, 'url'),
    ({'url': 'https://x.org/{}.txt'}, 'url'), ({'sha256': 'AB'}, 'sha256'), ({'kind': 'eebo', 'url': '', 'ids': ['13049']}, 'ids'),
    ({'ids': ['1']}, 'url'),
    ({'title': 'a\tb'}, 'title'), ({'kind': 'local', 'path': 'x'}, 'path'), ({'format': 'docx'}, 'format')])
def test_list_errors_are_named(tmp_path, bad, field):
    row = dict(id='x', title='X', kind='web', format='text', licence='none', seen='this test', year=1722, url='https://x.org/a.txt')
    row = {k: v for k, v in {**row, **bad}.items() if v != '' or k == 'seen'}
    (tmp_path/'l.json').write_text(json.dumps(dict(source=[row])))
    with pytest.raises(c.SourceError) as e: c.load_sources(tmp_path/'l.json')
    assert e.value.field == field and 'entry 1' in e.value.entry
    assert e.value.remedy and str(e.value).endswith(e.value.remedy)
