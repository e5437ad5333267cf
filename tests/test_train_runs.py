"Whole training runs by the programs that people use: papermill, scripts/train, two ranks, W&B, several nodes."
import json, os, struct

import pytest

from conftest import BIN, PYTHON, ROOT, run
from training import SMALL, environment, metrics, pairs, plain_command, read, start, train, weights

RESULT = ('preset family parameters device precision world_size steps tokens_seen tokens_per_s train_bits_per_byte valid_bits_per_byte '
          'wall_s peak_rss_bytes corpus_fingerprint tokenizer_fingerprint').split()


@pytest.fixture(scope='module')
def home(tmp_path_factory): return tmp_path_factory.mktemp('runs')


def pictures_and_text(path):
    "How many pictures an executed notebook holds, and all its text output."
    outputs = [o for c in read(path)['cells'] for o in c.get('outputs', ())]
    text = ''.join(t for o in outputs for t in o.get('text', '') or o.get('data', {}).get('text/plain', ''))
    return sum('image/png' in o.get('data', {}) for o in outputs), text


# papermill, as anybody would call it

def test_papermill_trains_alone(home):
    before = (ROOT/'nbs'/'05_train.ipynb').read_bytes()
    out, run_dir = home/'out.ipynb', home/'runs'/'papermill'
    got = run([BIN/'papermill', ROOT/'nbs'/'05_train.ipynb', out, *pairs(run_dir=run_dir, max_steps=20, corpus='sample:300kB', device='cpu')],
              cwd=home, **environment(home))
    assert got.returncode == 0, got.stdout[-3000:]
    assert read(run_dir/'result.json')['steps'] == 20 and max(metrics(run_dir)) == 20
    n, text = pictures_and_text(out)
    assert n >= 1, 'the executed notebook shows its curves'
    assert (ROOT/'nbs'/'05_train.ipynb').read_bytes() == before


def test_the_notebook_refuses_an_injected_name_it_does_not_know(home):
    got = run([BIN/'papermill', ROOT/'nbs'/'05_train.ipynb', home/'typo.ipynb', *pairs(run_dir=home/'runs'/'typo', max_stpes=20)],
              cwd=home, **environment(home))
    assert got.returncode != 0 and 'max_stpes' in got.stdout and 'max_steps' in got.stdout
    assert not (home/'runs'/'typo').exists()


# scripts/train

@pytest.fixture(scope='module')
def first(home):
    "A small finished run of scripts/train."
    got = train('first', '--steps', 24, home=home, eval_every_steps=20)
    assert got.returncode == 0, got.stdout[-3000:]
    return home/'runs'/'first', got.stdout


def test_train_leaves_everything_in_the_runs_folder(first):
    run_dir, said = first
    names = {p.name for p in run_dir.iterdir()}
    assert {'config.json', 'environment.json', 'metrics.jsonl', 'result.json', 'tokenizer.json', 'train.rank0.ipynb', 'checkpoints'} <= names
    result = read(run_dir/'result.json')
    assert [k for k in RESULT if k not in result] == []
    assert result['steps'] == 24 and result['tokens_seen'] == 24 * 1024 and result['world_size'] == 1 and result['precision'] == 'fp32'
    assert 0 < result['valid_bits_per_byte'] < 8 and result['peak_rss_bytes'] > 10**8
    rows = metrics(run_dir)
    assert sorted(rows) == list(range(1, 25))
    assert {'step', 'loss', 'lr', 'grad_norm', 'tokens', 'tokens_per_s', 'mfu'} <= rows[1].keys()
    assert [*metrics(run_dir, 'valid_loss')] == [20, 24] and 'valid_bits_per_byte' in metrics(run_dir, 'valid_loss')[20]
    assert rows[24]['loss'] < rows[1]['loss']


def test_train_says_at_the_end_what_was_trained_and_where_to_look(first):
    run_dir, said = first
    last = '\n'.join(said.strip().splitlines()[-60:])
    assert 'bits per byte' in last and 'first' in last and 'train.rank0.ipynb' in last, last


def test_the_executed_notebook_shows_curves(first):
    n, text = pictures_and_text(first[0]/'train.rank0.ipynb')
    assert n >= 1 and 'step     24/24' in text


def test_a_finished_run_says_so_and_does_not_train(first, home):
    run_dir, _ = first
    before = (run_dir/'metrics.jsonl').read_bytes(), weights(run_dir)
    got = train('first', '--steps', 24, home=home)
    assert got.returncode == 0 and 'finished' in got.stdout, got.stdout[-2000:]
    assert ((run_dir/'metrics.jsonl').read_bytes(), weights(run_dir)) == before


def test_other_settings_are_refused_by_name(first, home):
    before = (first[0]/'config.json').read_bytes()
    got = train('first', '--steps', 24, home=home, seed=7)
    assert got.returncode == 1 and 'seed' in got.stdout.strip().splitlines()[-1], got.stdout[-2000:]
    assert (first[0]/'config.json').read_bytes() == before


def test_generate_and_score_read_the_run(first, home):
    run_dir, _ = first
    got = run([PYTHON, '-m', 'histlm.generate', run_dir, '--prompt', 'The ', '--max-new-tokens', 8, '--device', 'cpu'], **environment(home))
    assert got.returncode == 0 and 'The ' in got.stdout, got.stdout[-2000:]
    folder = home/'texts'
    (folder/'a').mkdir(parents=True)
    (folder/'a'/'one.txt').write_text('It is the ſame Man. ' * 20, encoding='utf-8')
    got = run([PYTHON, '-m', 'histlm.score', run_dir, '--documents', folder, '--json', home/'score.json', '--device', 'cpu'], **environment(home))
    assert got.returncode == 0, got.stdout[-2000:]
    score = read(home/'score.json')
    assert score['bytes'] == (folder/'a'/'one.txt').stat().st_size and score['by_folder']['a']['documents'] == score['documents'] == 1
    assert 0 < score['bits_per_byte'] < 20


def test_a_larger_budget_continues_a_finished_run_on_the_same_caches(first, home):
    stamps = lambda: {p: p.stat().st_mtime_ns for p in (home/'data').rglob('*.bin')}
    before = stamps()
    got = train('first', '--steps', 30, home=home)
    assert got.returncode == 0, got.stdout[-2000:]
    assert sorted(metrics(first[0])) == list(range(1, 31)) and read(first[0]/'result.json')['steps'] == 30
    assert before and {p: t for p, t in stamps().items() if p in before} == before


# Ranks

def test_two_ranks_equal_one(home):
    hard = dict(optimizer='adamw', lr=1e-3, dropout=0.1, per_device_batch=4, corpus='sample:80kB', vocab_size=600, start='bigrams')  # accumulation, epochs
    got = run(plain_command('ranks1', home, max_steps=40, **hard), **environment(home))
    assert got.returncode == 0, got.stdout[-3000:]
    got = train('ranks2', '--steps', 40, '--nproc', 2, home=home, **hard)
    assert got.returncode == 0, got.stdout[-3000:]
    one, two = (metrics(home/'runs'/f'ranks{n}') for n in (1, 2))
    assert sorted(one) == sorted(two) == list(range(1, 41))
    assert max(abs(one[s]['loss'] - two[s]['loss']) for s in one) <= 1e-4
    results = [read(home/'runs'/f'ranks{n}'/'result.json') for n in (1, 2)]
    assert [r['world_size'] for r in results] == [1, 2]
    assert results[0]['epochs'] > 1, 'the corpus is too large for this test to cross an epoch'
    assert abs(results[0]['valid_bits_per_byte'] - results[1]['valid_bits_per_byte']) < 1e-3
    assert {'train.rank0.ipynb', 'train.rank1.ipynb'} <= {p.name for p in (home/'runs'/'ranks2').iterdir()}
    assert max(abs(one[s]['loss'] - two[s + 1]['loss']) for s in range(1, 40)) > 1e-3, 'the comparison cannot fail'


def test_two_nodes_meet_by_rendezvous(home):
    import socket
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    settings = {**SMALL, 'run_dir': home/'runs'/'nodes', 'max_steps': 4}
    command = [ROOT/'scripts'/'nodes', 2, f'127.0.0.1:{port}', home/'runs'/'nodes'/'train.ipynb', *pairs(**settings)]
    os.environ['NPROC'] = '1'
    try: nodes = [start(command, home) for _ in range(2)]
    finally: del os.environ['NPROC']
    assert [n.wait(timeout=240) for n in nodes] == [0, 0], (home/'log.txt').read_text()[-3000:]
    assert read(home/'runs'/'nodes'/'result.json')['world_size'] == 2


# Weights & Biases

def wandb_rows(path):
    "The history of a W&B run file, a log of 32 KiB blocks: {step: {name: value}}."
    from wandb.proto.wandb_internal_pb2 import Record
    data, at, part, rows = path.read_bytes(), 7, b'', {}
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7: at += 32768 - at % 32768; continue
        _, n, kind = struct.unpack_from('<IHB', data, at)
        part, at = part + data[at + 7:at + 7 + n], at + 7 + n
        if kind not in (1, 4): continue   # whole, or the last piece
        record, part = Record.FromString(part), b''
        if record.WhichOneof('record_type') != 'history': continue
        row = {(i.key or '.'.join(i.nested_key)): json.loads(i.value_json) for i in record.history.item}
        rows.setdefault(row['_step'], {}).update({k: v for k, v in row.items() if k[0] != '_'})
    return rows


def test_an_offline_wandb_run_equals_the_local_record(home):
    got = run(plain_command('tracked', home, max_steps=24, wandb_mode='offline'), **environment(home))
    assert got.returncode == 0, got.stdout[-2000:]
    run_dir = home/'runs'/'tracked'
    files = [p for p in run_dir.rglob('*.wandb') if not p.parent.is_symlink()]
    assert len(files) == 1
    local = {}
    for line in (run_dir/'metrics.jsonl').read_text().splitlines(): local.setdefault(json.loads(line)['step'], {}).update(json.loads(line))
    assert set(range(1, 25)) <= local.keys() and wandb_rows(files[0]) == local
