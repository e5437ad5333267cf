"The benchmark: its arithmetic on made-up timings, its file, its command line, its baseline. Nothing here is timed."
import dataclasses, json, re

import numpy as np
import pytest, torch

from conftest import PYTHON, ROOT, run
from histlm import bench, rows
from histlm.bench import ROWS, TARGETS, Target, append_line, bench_main, chosen_rows, read_results, recorded, table, target_line
from histlm.core import environment
from histlm.model import GPT, ModelConfig
from histlm.rivals import BenchError, PlainGPT, alternate, paired_ratios
from histlm.rows import Conditions, Measured, memory_of

TINY = dict(corpus='sample:300kB', vocab_size=800, context=32, batch_tokens=256)
MACHINE = dict(processor='Abacus', threads=2, gpus=[])


def write_run(path, when, rows, quick=False, env=MACHINE, corpus='sample'):
    "A made-up run: {row: (unit, samples, left_out)}."
    append_line(path, dict(run=when, environment=env, quick=quick, corpus=corpus))
    for name, (unit, samples, left_out) in rows.items():
        append_line(path, dict(run=when, row=name, **dataclasses.asdict(Measured(unit, samples, left_out))))


@pytest.fixture
def results(tmp_path):
    "A file with two full runs and a quick one of the same machine, and one of another."
    path = tmp_path/'bench.jsonl'
    step = lambda ours, plain: ('tokens/s', dict(plain=plain, transformers=[x / 2 for x in plain], histlm=ours), {})
    write_run(path, '2026-01-01T00:00:00Z', {'step-b-fp32': step([190., 200., 210.], [100., 100., 100.])})
    write_run(path, '2026-01-02T00:00:00Z', {
        'step-b-fp32': step([220., 420., 63.], [100., 200., 30.]), 'memory-b': ('MB', dict(plain=[400.], histlm=[300.]), {}),
        'step-b-bf16': ('tokens/s', {}, dict(all='this processor multiplies bf16 in software only')),
        'tokenizer': ('MB/s', dict(tokenizers=[8., 9., 10.], histlm=[20., 24., 26.]), dict(tiktoken='tiktoken is not installed'))})
    write_run(path, '2026-01-03T00:00:00Z', {'step-b-fp32': step([1., 1., 1.], [100., 100., 100.])}, quick=True)
    write_run(path, '2026-01-04T00:00:00Z', {'step-b-fp32': step([900., 900., 900.], [100., 100., 100.])}, env=dict(MACHINE, processor='Loom'))
    return read_results(path)


def line_of(results, row, theirs, machine='Abacus, 2 threads'):
    "The table's line of one target, as {column: cell}."
    lines = [[c.strip() for c in l.strip('|').split('|')] for l in table(results, machine).splitlines()]
    head = lines[0]
    found = [dict(zip(head, l)) for l in lines[2:] if l[0] == ROWS[row].what and l[2].split(' ')[0] == theirs]
    assert len(found) == 1
    return found[0]


# The table from a recorded file

def test_the_newest_full_run_counts_and_all_full_runs_are_shown(results):
    line = line_of(results, 'step-b-fp32', 'plain')
    assert (line['reached'], line['target'], line['met']) == ('2.10', '≥ 2', 'yes')
    assert line['all runs'] == '2026-01-02: 2.00, 2.10'
    assert line['histlm'] == '220 tokens/s' and line['against'] == 'plain 100 tokens/s'
    assert line_of(results, 'step-b-fp32', 'transformers')['reached'] == '4.20'
    assert line_of(results, 'step-b-fp32', 'plain', 'Loom, 2 threads')['reached'] == '9.00'


def test_what_is_missed_left_out_or_missing_says_so(results):
    assert line_of(results, 'tokenizer', '')['met'] == 'no' and line_of(results, 'tokenizer', '')['reached'] == '24'
    assert line_of(results, 'memory-b', 'plain')['met'] == 'yes' and line_of(results, 'memory-b', 'plain')['reached'] == '0.75'
    line = line_of(results, 'step-b-bf16', 'plain')
    assert line['reached'] == 'left out' and line['all runs'] == '2026-01-02: this processor multiplies bf16 in software only'
    assert line_of(results, 'generate-b-fp32', 'transformers')['reached'] == 'not measured'


def test_the_table_holds_every_target(results):
    text = table(results)
    assert len(text.splitlines()) == 2 + len(TARGETS) and len({len(l) for l in text.splitlines()}) == 1
    for target in TARGETS: assert ROWS[target.row].what in text


def test_a_quick_run_counts_where_there_is_no_other(tmp_path):
    write_run(tmp_path/'r', '2026-01-03T00:00:00Z', {'step-b-fp32': ('tokens/s', dict(plain=[1.], histlm=[3.]), {})}, quick=True)
    line = target_line(Target('step-b-fp32', 'histlm', 'plain', 2.), recorded(read_results(tmp_path/'r'), 'step-b-fp32'))
    assert line[3] == '3.00' and line[-1].startswith('2026-01-03 (quick)')


def test_another_text_is_another_series(tmp_path):
    for day, corpus, rate in (1, 'sample', 20.), (2, 'real', 30.), (3, 'real', 31.):
        write_run(tmp_path/'r', f'2026-01-0{day}T00:00:00Z', {'tokenizer': ('MB/s', dict(histlm=[rate]), {})}, corpus=corpus)
    assert line_of(read_results(tmp_path/'r'), 'tokenizer', '')['all runs'] == '2026-01-03, real: 30.00, 31.00'
    assert line_of(read_results(tmp_path/'r')[:1], 'tokenizer', '')['all runs'] == '2026-01-01: 20.00'


def test_a_row_without_time_hides_no_measured_one(tmp_path):
    late = ('tokens/s', {}, dict(all='the time was up'))
    write_run(tmp_path/'r', '2026-01-01T00:00:00Z', {'step-b-fp32': ('tokens/s', dict(plain=[1.], histlm=[3.]), {})})
    write_run(tmp_path/'r', '2026-01-02T00:00:00Z', {'step-b-fp32': late, 'step-a-fp32': late})
    assert line_of(read_results(tmp_path/'r'), 'step-b-fp32', 'plain')['all runs'] == '2026-01-01: 3.00'
    assert line_of(read_results(tmp_path/'r'), 'step-a-fp32', 'plain')['reached'] == 'left out'


def test_a_torn_line_costs_only_itself(tmp_path):
    path, row = tmp_path/'r', {'data': ('tokens/s', dict(histlm=[1.]), {})}
    write_run(path, '2026-01-01T00:00:00Z', row)
    with open(path, 'a') as f: f.write('{"run": "2026')
    write_run(path, '2026-01-02T00:00:00Z', row)
    with pytest.raises(BenchError, match='line 3'): read_results(path)
    path.write_text(''.join(l for i, l in enumerate(path.read_text().splitlines(True), 1) if i != 3))
    assert [r['run'][:10] for r in read_results(path)] == ['2026-01-01', '2026-01-02']


def test_a_file_that_is_no_text_is_named(tmp_path, capsys):
    (tmp_path/'r').write_bytes(b'\xff\xfe')
    assert bench_main(['--table', '--out', str(tmp_path/'r')]) == 1
    assert 'r is no text in UTF-8' in capsys.readouterr().err


@pytest.mark.parametrize('line', ['{"run": ', '[1]', '{"run": "none", "row": "data"}', '{"quick": true}'])
def test_a_line_that_is_no_result_is_named(tmp_path, line):
    write_run(tmp_path/'r.jsonl', '2026-01-01T00:00:00Z', {'data': ('tokens/s', dict(histlm=[1.]), {})})
    with open(tmp_path/'r.jsonl', 'a') as f: f.write(line + '\n')
    with pytest.raises(BenchError, match=r'r\.jsonl, line 3'): read_results(tmp_path/'r.jsonl')


def test_the_committed_results_can_be_read_and_name_no_place():
    path = ROOT/bench.RESULTS
    results = read_results(path)
    for r in results:
        assert r['row'] in ROWS and all(np.isfinite(v).all() for v in r['samples'].values())
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', r['run'])
    if path.exists(): assert not re.search(r'"/|\.local\b|hostname', path.read_text(encoding='utf-8'))
    assert environment()['processor'] is not None


# Ratios on made-up timings

def test_ratios_pair_the_rounds(): assert paired_ratios([2., 30.], [1., 10.]) == [2., 3.]


def test_a_disturbed_round_moves_no_median():
    calm = Target('step-b-fp32', 'histlm', 'plain', 2.).reached(dict(histlm=[200.] * 9, plain=[100.] * 9))
    wild = Target('step-b-fp32', 'histlm', 'plain', 2.).reached(dict(histlm=[200.] * 8 + [1.], plain=[100.] * 9))
    assert calm[1] == wild[1] == 2.0


def test_turns_cancel_a_drift_that_blocks_would_book_as_a_difference():
    now, speed = [0.], [1.]
    def work():
        speed[0] *= 1.05
        now[0] += speed[0]
    seconds = alternate(dict(a=work, b=work), 20, clock=lambda: now[0])
    in_turns = np.median(paired_ratios(seconds['b'], seconds['a']))
    both = [t for pair in zip(seconds['a'], seconds['b']) for t in pair]
    assert abs(in_turns - 1) < .01 and np.median(both[20:]) / np.median(both[:20]) > 2


def test_with_many_rivals_each_is_as_often_before_another_as_behind_it():
    said, names = [], list('abcdefgh')
    alternate({n: lambda n=n: said.append(n) for n in names}, 12)
    rounds = [said[i:i + 8] for i in range(0, len(said), 8)]
    assert all(sorted(r) == names for r in rounds) and len({r[0] for r in rounds}) > 6
    for a in names:
        for b in names:
            if a < b: assert sorted(r.index(b) - r.index(a) for r in rounds) == sorted(r.index(a) - r.index(b) for r in rounds)


# The command line

def test_an_unknown_row_is_named(capsys):
    assert bench_main(['--rows', 'step', 'memroy-b']) == 1
    assert "unknown row 'memroy-b'; did you mean 'memory-b'?" in capsys.readouterr().err.splitlines()[-1]


def test_rows_of_the_other_set_are_refused():
    with pytest.raises(BenchError, match='with --gpu'): chosen_rows(['gpu-slm'])
    with pytest.raises(BenchError, match='without --gpu'): chosen_rows(['step'], gpu=True)


def test_gpu_without_a_gpu_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert bench_main(['--gpu', '--out', str(tmp_path/'r.jsonl')]) == 1
    assert capsys.readouterr().err.startswith('scripts/bench: failed: --gpu needs a GPU') and not (tmp_path/'r.jsonl').exists()


def test_a_corpus_that_is_not_there_is_refused(capsys):
    assert bench_main(['--rows', 'data', '--quick', '--corpus', 'no/such/folder']) == 1
    assert 'no such folder' in capsys.readouterr().err


def test_the_script_teaches_and_answers_with_its_exit_code(tmp_path):
    got = run([ROOT/'scripts'/'bench', '--help'])
    assert got.returncode == 0 and all(name in got.stdout for name in ROWS) and 'exit codes' in got.stdout
    got = run([ROOT/'scripts'/'bench', '--rows', 'nothing'], cwd=tmp_path)
    assert got.returncode == 1 and got.stdout.splitlines()[-1].startswith("scripts/bench: failed: unknown row 'nothing'")
    assert run([ROOT/'scripts'/'bench', '--no-such-word']).returncode == 2


def test_rows_are_written_as_they_are_done(monkeypatch, tmp_path, capsys):
    def broken(how): raise KeyboardInterrupt
    monkeypatch.setattr(bench, 'ROWS', {'data': bench.Row('loading', lambda how: Measured('tokens/s', dict(histlm=[2.]))),
                                        'tokenizer': bench.Row('encoding', broken)})
    assert bench_main(['--out', str(tmp_path/'r.jsonl')]) == 1
    assert 'the rows that were done are kept' in capsys.readouterr().err
    assert [r['row'] for r in read_results(tmp_path/'r.jsonl')] == ['data']


def test_a_row_that_breaks_costs_no_other(monkeypatch, tmp_path, capsys):
    def broken(how): raise RuntimeError('out of memory')
    monkeypatch.setattr(bench, 'ROWS', {**ROWS, 'tokenizer': bench.Row('encoding', broken),
                                        'data': bench.Row('loading', lambda how: Measured('tokens/s', dict(histlm=[2.])))})
    assert bench_main(['--rows', 'tokenizer', 'data', '--out', str(tmp_path/'r.jsonl')]) == 1
    said = capsys.readouterr().err
    assert 'RuntimeError: out of memory' in said and said.splitlines()[-1].startswith('scripts/bench: failed: tokenizer broke')
    assert [r['row'] for r in read_results(tmp_path/'r.jsonl')] == ['data']


def test_the_time_limit_leaves_rows_out(monkeypatch, capsys):
    monkeypatch.setattr(bench, 'ROWS', {'data': bench.Row('loading', lambda how: 1 / 0)})
    records, broken = bench.measure_rows(['data'], Conditions(), None, deadline_s=-1)
    assert records[0]['left_out'] == {'all': 'the time was up'} and broken == []


def test_the_table_alone(monkeypatch, capsys, tmp_path):
    write_run(tmp_path/'r', '2026-01-03T00:00:00Z', {'step-b-fp32': ('tokens/s', dict(plain=[1.], histlm=[3.]), {})})
    assert bench_main(['--table', '--out', str(tmp_path/'r')]) == 0
    said = capsys.readouterr().out
    assert said.startswith('Abacus, 2 threads\n\n| row') and ' 3.00 ' in said and 'slm' not in said


def test_the_table_needs_no_gpu(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    write_run(tmp_path/'r', '2026-01-03T00:00:00Z', {'gpu-slm': ('tokens/s', {'modern': [3.], 'matmul (modern)': [4.]}, {})}, env=dict(MACHINE, gpus=['Orrery']))
    append_line(tmp_path/'r', dict(run='2026-01-03T00:00:00Z', row='of an older version', samples={}, left_out={}))
    assert bench_main(['--table', '--gpu', '--out', str(tmp_path/'r')]) == 0
    said = capsys.readouterr().out
    assert said.startswith('1 × Orrery\n\n| row') and ' 0.75 ' in said


def test_a_quick_look_needs_no_file(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bench, 'ROWS', {**ROWS, 'data': bench.Row('loading', lambda how: Measured('tokens/s', dict(histlm=[2.])))})
    monkeypatch.setattr(bench, 'project_root', lambda: tmp_path)
    append_line(tmp_path/bench.RESULTS, dict(row='damaged'))
    assert bench_main(['--rows', 'data', '--quick']) == 0
    assert bench_main(['--rows', 'data']) == 1 and 'line 1' in capsys.readouterr().err


def test_a_quick_look_writes_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bench, 'ROWS', {**ROWS, 'data': bench.Row('loading', lambda how: Measured('tokens/s', dict(histlm=[2.])))})
    monkeypatch.setattr(bench, 'project_root', lambda: tmp_path)
    assert bench_main(['--rows', 'data', '--quick']) == 0 and list(tmp_path.iterdir()) == []
    assert bench_main(['--rows', 'data']) == 0 and [r['row'] for r in read_results(tmp_path/bench.RESULTS)] == ['data']


# The baseline

@pytest.mark.parametrize('shape', [dict(n_layer=2, n_head=2, n_embd=32, vocab_size=100, context=16), dict(n_layer=1, n_head=4, n_embd=64, vocab_size=300, context=40)])
def test_the_baseline_computes_the_gpt2_family(shape):
    config = ModelConfig('gpt2', **shape)
    ours, plain = GPT(config, seed=5), PlainGPT(config)
    plain.load_state_dict(ours.state_dict())
    ids = torch.randint(config.vocab_size, (3, config.context + 1), generator=torch.Generator().manual_seed(2))
    a, b = ours(ids[:, :-1], ids[:, 1:]), plain(ids[:, :-1], ids[:, 1:])
    assert abs(a - b) < 1e-5
    assert torch.allclose(ours(ids[:, :-1], n_last=1), plain(ids[:, :-1]), atol=1e-5)
    with torch.no_grad(): plain.norm.weight[0] += .1
    assert abs(a - plain(ids[:, :-1], ids[:, 1:])) > 1e-5, 'a difference would be noticed'


def test_the_record_says_how_many_windows_each_rival_takes():
    makers = rows.step_makers('a', 'fp32', Conditions(settings={**TINY, 'per_device_batch': 4}))
    here, _ = rows.gather_steps(makers, ('plain', 'histlm eager'), twins=False)
    assert rows.step_facts(here)['per_device_batch'] == {'plain': 4, 'histlm eager': 4}


def test_memory_is_that_of_a_process_of_its_own():
    got = memory_of('plain', 'a', 'fp32', Conditions(settings=TINY), n_steps=1)
    assert 0 < got['level'] < got['peak']
    with pytest.raises(BenchError, match='memory of nobody'): memory_of('nobody', 'a', 'fp32', Conditions(settings=TINY), n_steps=1)
