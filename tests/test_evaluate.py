"Evaluation: each metric fails the model that deserves it, intervals hold the truth, the command survives every bad input."
import collections, importlib.util, json, math, re, shutil, sys, types

import numpy as np
import pytest

from conftest import PYTHON, run
from training import environment, plain_command

STEPS, EARLY = 160, 40


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A folder with a small trained run, its caches and its checkpoints of two moments."
    home = tmp_path_factory.mktemp('evaluate')
    got = run(plain_command('sound', home, max_steps=STEPS, save_every_steps=EARLY, keep_checkpoints=9, eval_every_steps=STEPS, vocab_size=800, corpus='sample:400kB'), **environment(home))
    assert got.returncode == 0, got.stdout
    return home


@pytest.fixture(autouse=True)
def places(home, monkeypatch):
    for name, value in environment(home).items(): monkeypatch.setenv(name, str(value))


@pytest.fixture(scope='module')
def case(home):
    "The sound model with what it held out and what it was trained on."
    from histlm.evaluate import Settings, make_case
    import os
    os.environ['HISTLM_DATA'] = str(home/'data')
    try: return make_case(Settings(str(home/'runs'/'sound'), quick=True))[0]
    finally: del os.environ['HISTLM_DATA']


def command(home, *args, name='sound'):
    "The command in this process: exit code."
    from histlm.evaluate import evaluate_main
    return evaluate_main([str(home/'runs'/name), '--quick', '--no-rivals', '--metric', 'bits per byte', '--out', str(home/'out'), *map(str, args)])


def report(home): return json.loads((home/'out'/'report.json').read_text(encoding='utf-8'))


def a_run(home, name):
    "A copy of the sound run to break."
    shutil.rmtree(home/'runs'/name, ignore_errors=True)
    shutil.copytree(home/'runs'/'sound', home/'runs'/name)
    return home/'runs'/name


# The failure matrix

class Rouge:
    "ROUGE-L by its definition, for machines without rouge-score."
    def __init__(self, kinds): assert kinds == ['rougeL']
    def score(self, target, prediction):
        a, b = (re.findall('[a-z0-9]+', t.lower()) for t in (target, prediction))
        row = [0] * (len(b) + 1)
        for x in a:
            last, row = row, [0]
            for j, y in enumerate(b): row.append(last[j] + 1 if x == y else max(last[j + 1], row[j]))
        return dict(rougeL=types.SimpleNamespace(fmeasure=2 * row[-1] / (len(a) + len(b)) if row[-1] else 0.))


def sentence_bleu(hypothesis, references):
    "BLEU of one sentence by its definition, zero counts as half, a quarter, …, for machines without sacrebleu."
    def cut(t):
        t = re.sub(r'([{-~[-` -&(-+:-@/])', r' \1 ', t)
        return re.sub(r'([.,])([^0-9])', r' \1 \2', re.sub(r'([^0-9])([.,])', r'\1 \2 ', f' {t} ')).split()
    ours, real = cut(hypothesis), cut(references[0])
    logs, half = [], 1
    for n in range(1, 5):
        grams = lambda w: collections.Counter(tuple(w[i:i + n]) for i in range(len(w) - n + 1))
        hits, all_ = sum((grams(ours) & grams(real)).values()), max(0, len(ours) - n + 1)
        if not all_: continue
        if not hits: half *= 2
        logs.append(math.log((hits or 1 / half) / all_))
    if not logs or not collections.Counter(ours) & collections.Counter(real): return types.SimpleNamespace(score=0.)
    return types.SimpleNamespace(score=100 * math.exp(min(0, 1 - len(real) / len(ours)) + sum(logs) / len(logs)))


def test_the_stand_ins_are_what_the_libraries_are():
    rouge, bleu = pytest.importorskip('rouge_score.rouge_scorer'), pytest.importorskip('sacrebleu')
    if rouge.RougeScorer is Rouge: pytest.skip('rouge-score is not installed')
    pairs = [('the cat sat on the mat by the door', 'a cat sat on the old mat'), ('The Prisoner\'s half-boots, was found; guilty.', 'the Jury\'s boots, out of (doors) , and found it so.'), ('one two three', 'four five six')]
    for real, ours in pairs:
        assert rouge.RougeScorer(['rougeL']).score(real, ours)['rougeL'].fmeasure == pytest.approx(Rouge(['rougeL']).score(real, ours)['rougeL'].fmeasure)
        assert bleu.sentence_bleu(ours, [real]).score == pytest.approx(sentence_bleu(ours, [real]).score, abs=1e-6)


@pytest.fixture(scope='module')
def marks():
    "ROUGE and BLEU from their libraries, or stand-ins where these are missing."
    with pytest.MonkeyPatch.context() as patch:
        if not importlib.util.find_spec('rouge_score'):
            for name in ('rouge_score', 'rouge_score.rouge_scorer'): patch.setitem(sys.modules, name, types.ModuleType(name))
            sys.modules['rouge_score.rouge_scorer'].RougeScorer = Rouge
        if not importlib.util.find_spec('sacrebleu'):
            patch.setitem(sys.modules, 'sacrebleu', types.ModuleType('sacrebleu'))
            sys.modules['sacrebleu'].sentence_bleu = sentence_bleu
        yield


def words(text): return float(len(set(text.lower().split()[:60])))


@pytest.fixture(scope='module')
def matrix(case, marks):
    "Every finding of this chapter's metrics against every broken model, and against the sound model with other dice."
    from histlm import baselines as b
    from histlm.metrics import METRICS, Case, failure_matrix, measure
    ours = [n for n, m in METRICS.items() if m.measure.__module__ == 'histlm.metrics']
    def findings(subject, seed=0): return measure(Case(subject, case.texts, case.train, seed, True, case.strips, words), ours)
    s, tok = case.subject, case.subject.tokenizer
    broken = {'untrained': b.untrained(s), 'one layer shuffled': b.shuffled(s), 'overconfident': b.overconfident(s), 'bigram': b.bigram(tok, case.train), 'copier': b.copier(tok, case.train), 'looper': b.Looper(s)}
    sound = findings(s)
    return sound, failure_matrix(sound, {n: findings(m) for n, m in broken.items()} | {'clean control': findings(s, 1)})


def test_every_metric_catches_the_model_it_is_for(matrix):
    from histlm.metrics import METRICS
    sound, table = matrix
    columns = list(next(iter(table.values())))
    print('\n' + ' ' * 28 + ''.join(f'{c:>20}' for c in columns))
    for name, row in table.items(): print(f'{name:28}' + ''.join(f'{ {True: "caught", False: "-", None: "missing"}[row[c]]:>20}' for c in columns))
    for name, metric in METRICS.items():
        rows = [row for f, row in table.items() if f.split('/')[0] == name]
        if not rows: continue
        assert any(r[metric.catches] for r in rows), f'{name} does not tell the {metric.catches} from a sound model'


def test_every_broken_model_is_caught_by_some_metric_and_the_clean_control_by_none(matrix):
    _, table = matrix
    for broken in ('untrained', 'one layer shuffled', 'overconfident', 'bigram', 'copier', 'looper'): assert any(row[broken] for row in table.values()), broken
    assert [name for name, row in table.items() if row['clean control']] == []


def test_calibration_error_and_rouge_and_bleu_fail_who_deserves_it(matrix):
    _, table = matrix
    assert table['calibration/error']['overconfident'] and table['calibration/error']['copier'] and not table['continuation']['overconfident']
    assert table['overlap/ROUGE-L']['untrained'] and table['overlap/BLEU']['untrained']


def test_findings_say_what_they_do_not_mean(matrix):
    for f in matrix[0]:
        assert f.missing if f.value is None else f.not_meaning and f.meaning and math.isfinite(f.value), f.name


def test_one_shuffled_layer_is_seen_in_pairs(case):
    from histlm.baselines import shuffled
    from histlm.intervals import paired
    sizes = [d.n_bytes for d in case.texts]
    ids = case.subject.tokenizer.encode_batch([d.text for d in case.texts])
    for layer in range(len(case.subject.model.blocks)):
        c = paired([b.sum() for b in case.bits], [b.sum() for b in shuffled(case.subject, layer).token_bits(ids)], sizes)
        assert c.verdict == 'first', (layer, c.sentence)


# Intervals

@pytest.mark.parametrize('n', [30, 100, 400])
def test_intervals_hold_the_truth_as_often_as_they_say(n):
    from histlm.intervals import coverage, ratio_interval, real_scores
    sizes, bits, _ = real_scores()
    def ends(a, b, rng): return (lambda e: (e.low, e.high))(ratio_interval(a, b))
    share, _ = coverage(ends, bits, sizes, n, 2000, seed=7)
    assert .93 <= share <= .97, share


def test_an_interval_that_is_too_sure_would_be_noticed():
    from histlm.intervals import coverage, real_scores, standard_error
    sizes, bits, _ = real_scores()
    def ends(a, b, rng): return (lambda m, s: (m - 1.96 * s, m + 1.96 * s))(a.sum() / b.sum(), standard_error(a, b)[0])
    assert coverage(ends, bits, sizes, 30, 1000)[0] < .93


# The command

def evaluate(home, *args): return run([PYTHON, '-m', 'histlm.evaluate', home/'runs'/'sound', '--quick', *args], **environment(home))


def test_the_command_gives_the_same_json_twice(home):
    argv = '--max-bytes', 20000, '--against', f'{home}/runs/sound@{EARLY}', '--metric', 'bits per byte', '--metric', 'memorisation', '--metric', 'judge'
    for name in ('one', 'two'):
        got = evaluate(home, *argv, '--json', home/f'{name}.json', '--out', home/name)
        assert got.returncode == 0, got.stdout
    assert (home/'one.json').read_bytes() == (home/'two.json').read_bytes() == (home/'one'/'report.json').read_bytes()
    assert (home/'one'/'report.html').read_bytes() == (home/'two'/'report.html').read_bytes()
    r = json.loads((home/'one.json').read_text())
    assert str(home) not in json.dumps(r) and r['step'] == STEPS
    early = next(x for x in r['rivals'] if x['name'].endswith(f'step {EARLY}'))
    assert early['verdict'] == 'first' and early['difference_high'] < 0
    assert {x['name'] for x in r['rivals'] if x['bits_per_byte'] is not None} >= {'xz', 'Kneser–Ney, order 4'}
    judge = next(f for f in r['findings'] if f['name'] == 'judge')
    assert judge['value'] is None and 'no judge' in judge['missing']
    html = (home/'one'/'report.html').read_text()
    assert 'What is missing' in html and 'src="data:image/png' in html and 'src="http' not in html
    assert 'read ' in got.stdout and 'undecided' not in got.stdout.lower()


def test_help_teaches():
    from histlm.evaluate import evaluate_parser
    said = evaluate_parser().format_help()
    assert 'examples:' in said and 'exit codes:' in said and '--against RUN[@STEP]' in said


def test_the_score_is_the_score_of_04a(home, case):
    from histlm.score import bits_per_byte, score_documents
    s, texts = case.subject, case.texts
    scores = score_documents(s.model, [(s.tokenizer.encode(d.text), d.n_bytes) for d in texts], s.tokenizer.eot_id)
    assert sum(b.sum() for b in case.bits) / sum(d.n_bytes for d in texts) == pytest.approx(bits_per_byte(scores), rel=1e-6)


def test_more_text_than_the_budget_is_a_sample_and_says_so(home, capsys):
    assert command(home, '--max-bytes', 6000) == 0
    part, said = report(home)['documents'], capsys.readouterr().out
    assert part['bytes'] < part['of_bytes'] and 'a sample of' in said and 'those that come first in the order of a hash' in (home/'out'/'report.html').read_text()
    assert evaluate_whole(home)['documents']['bytes'] == part['of_bytes'] and 'a sample of' not in capsys.readouterr().out


def evaluate_whole(home):
    from histlm.evaluate import evaluate_main
    assert evaluate_main([str(home/'runs'/'sound'), '--all', '--no-rivals', '--metric', 'bits per byte', '--out', str(home/'out')]) == 0
    return report(home)


# During training

def test_learning_by_heart_raises_the_alarm_and_patience_ends_the_run_and_a_resumed_one_alike(home):
    argv = plain_command('heart', home, corpus='sample:60kB', max_steps=400, eval_every_steps=10, save_every_steps=10, keep_checkpoints=99, vocab_size=400, gap_alarm=.1, patience=3)
    got, folder = run(argv, **environment(home)), home/'runs'/'heart'
    assert got.returncode == 0, got.stdout
    result, rows = (json.loads((folder/'result.json').read_text()), [json.loads(l) for l in (folder/'metrics.jsonl').read_text().splitlines()])
    valid = {r['step']: r['valid_bits_per_byte'] for r in rows if 'valid_bits_per_byte' in r}
    assert result['stopped_early'] and result['steps'] == max(valid) < 400 and min(valid, key=valid.get) == max(valid) - 30
    assert any('gap_grew' in r for r in rows) and 'WARNING: the gap' in got.stdout and 'the run ends here' in got.stdout
    last = folder/'checkpoints'/f'step-{result["steps"]:08d}'
    kept = {p.name: p.read_bytes() for p in last.iterdir() if p.suffix == '.safetensors'}
    for path in (folder/'checkpoints').glob('step-*'):
        if path.name > f'step-{result["steps"] - 20:08d}': shutil.rmtree(path)
    for name in ('result.json', 'done.rank0.json'): (folder/name).unlink()
    again = run(argv, **environment(home))
    assert again.returncode == 0 and 'continuing from step' in again.stdout
    assert kept and kept == {p.name: p.read_bytes() for p in last.iterdir() if p.suffix == '.safetensors'}
    now = [json.loads(l) for l in (folder/'metrics.jsonl').read_text().splitlines()]
    assert {r['step']: r['valid_bits_per_byte'] for r in now if 'valid_bits_per_byte' in r} == valid


def test_without_patience_a_run_goes_to_its_end(home):
    rows = [json.loads(l) for l in (home/'runs'/'sound'/'metrics.jsonl').read_text().splitlines()]
    assert not any('stopped_early' in r or 'gap_grew' in r for r in rows) and any('gap' in r for r in rows)


# Bad input

def test_no_size_is_refused_and_a_step_that_is_not_there_is_named(home, capsys):
    with pytest.raises(SystemExit) as stop: command(home, '--max-bytes', -1)
    assert stop.value.code == 2 and '--max-bytes' in capsys.readouterr().err
    assert command(home, '--checkpoint', 77) == 1 and '77' in capsys.readouterr().err


def test_no_such_run(home, capsys):
    assert command(home, name='nowhere') == 1 and 'no such run' in capsys.readouterr().err


def test_a_run_without_a_tokenizer(home, capsys):
    (a_run(home, 'mute')/'tokenizer.json').unlink()
    assert command(home, name='mute') == 1
    assert 'tokenizer.json is missing' in capsys.readouterr().err


def test_a_run_with_another_tokenizer(home, capsys):
    from histlm.sample import sample_documents
    from histlm.tokenizer import train_tokenizer
    train_tokenizer([d.text for d in sample_documents(100_000, seed=5)], 800, progress=False).save(a_run(home, 'foreign')/'tokenizer.json')
    assert command(home, name='foreign') == 1
    assert 'tokenizer_fingerprint is' in capsys.readouterr().err


def test_a_damaged_checkpoint(home, capsys):
    path = max((a_run(home, 'torn')/'checkpoints').glob('step-*'))/'model.safetensors'
    path.write_bytes(path.read_bytes()[:-9])
    assert command(home, '--checkpoint', 'last', name='torn') == 1
    assert 'were written' in capsys.readouterr().err


def test_documents_without_text_are_named_and_the_rest_goes_on(home, tmp_path, capsys):
    (tmp_path/'good.txt').write_text('The Prisoner was indicted for stealing a silver Watch.\n' * 5)
    (tmp_path/'also.html').write_text('<html><body><p>The Jury found him not guilty.</p></body></html>')
    (tmp_path/'empty.txt').write_text('')
    (tmp_path/'blank.xml').write_text('<?xml version="1.0"?><TEI><text><body/></text></TEI>')
    (tmp_path/'noise.txt').write_bytes(bytes(range(256)) * 10)
    assert command(home, '--documents', tmp_path) == 0
    said, r = capsys.readouterr().out, report(home)
    assert r['documents']['n'] == 2 and {x['what'] for x in r['left_out']} == {'empty.txt', 'blank.xml', 'noise.txt'}
    assert 'left out: empty.txt' in said and 'noise.txt' in (home/'out'/'report.html').read_text()


def test_a_folder_without_any_text(home, tmp_path, capsys):
    (tmp_path/'empty.txt').write_text('')
    assert command(home, '--documents', tmp_path) == 1 and 'no document with text' in capsys.readouterr().err
    assert command(home, '--documents', tmp_path/'nowhere') == 1 and 'does not exist' in capsys.readouterr().err


def test_one_document_has_no_interval_and_says_so(home, tmp_path, capsys):
    (tmp_path/'only.txt').write_text('The Prisoner was indicted for stealing a silver Watch.\n' * 5)
    assert command(home, '--documents', tmp_path) == 0
    assert report(home)['bits_per_byte']['all']['low'] is None and 'no interval' in capsys.readouterr().out
    assert 'One document only' in (home/'out'/'report.html').read_text()


def test_a_manifest_with_a_bad_row(home, tmp_path, capsys):
    (tmp_path/'a.txt').write_text('The Lord Mayor was present. ' * 9)
    (tmp_path/'b.txt').write_text('The Sessions began. ' * 9)
    (tmp_path/'manifest.csv').write_text('path,year,source,title\na.txt,1720,news,A Sermon\nb.txt,MDCC,news,x\nc.txt,1700,news,y\n')
    assert command(home, '--documents', tmp_path/'manifest.csv') == 0
    r, said = report(home), capsys.readouterr().out
    assert list(r['bits_per_byte']['by_decade']) == ['1720s'] and list(r['bits_per_byte']['by_genre']) == ['sermon']
    assert 'MDCC' in said and 'c.txt' in said


def test_items_longer_than_the_context_and_bad_lines_are_named(home, tmp_path, capsys):
    path = tmp_path/'quiz.jsonl'
    item = dict(context='The Prisoner', choices=['was tried.', 'trombone.'], right=0)
    path.write_text('\n'.join([json.dumps(item), 'not json', json.dumps(item | dict(right=5)), json.dumps(item | dict(context='so long ' * 300))]))
    assert command(home, '--task', path, '--task', tmp_path/'nowhere.jsonl') == 0
    r, said = report(home), capsys.readouterr().out
    task = {f['name']: f for f in r['findings']}
    assert task['task/quiz']['n'] == 1 and task['task/nowhere']['value'] is None and task['task/nowhere']['missing']
    assert task['task/quiz']['baselines'] == {'chance': .5, 'shortest': 1.0 if len('was tried.') < len('trombone.') else 0.0}
    assert [x['what'] for x in r['left_out']] == ['quiz.jsonl, line 2', 'quiz.jsonl, line 3', 'quiz.jsonl: quiz.jsonl, line 4']
    assert 'longer than the context' in said


def test_a_rival_run_that_cannot_be_loaded_is_a_missing_line(home, capsys):
    a_run(home, 'mute2').joinpath('tokenizer.json').unlink()
    assert command(home, '--against', home/'runs'/'mute2', '--against', home/'runs'/'nowhere') == 0
    gone = {x['what']: x['why'] for x in report(home)['missing']}
    assert 'tokenizer.json is missing' in gone['mute2'] and 'no such run' in gone['nowhere'] and 'GPT-2' in ''.join(gone)


def test_an_unknown_metric_or_judge(home, capsys):
    assert command(home, '--metric', 'wisdom') == 1 and 'calibration' in capsys.readouterr().err
    assert command(home, '--judge', 'no_such:thing') == 1 and 'MODULE:FUNCTION' in capsys.readouterr().err


def test_a_run_whose_training_text_is_gone(home, tmp_path, monkeypatch, capsys):
    from histlm.evaluate import evaluate_main
    monkeypatch.setenv('HISTLM_DATA', str(tmp_path))
    assert evaluate_main([str(home/'runs'/'sound'), '--quick', '--max-bytes', '5000', '--metric', 'gap', '--metric', 'memorisation', '--out', str(tmp_path/'out')]) == 0
    r = json.loads((tmp_path/'out'/'report.json').read_text())
    assert {m['what'] for m in r['missing']} >= {'gap', 'memorisation', 'xz', 'Kneser–Ney'} and all(m['why'] for m in r['missing'])


# Judges and other people's libraries

def test_a_judge_that_fails_is_never_a_number(case):
    from histlm.metrics import Case, measure
    def judge(answer):
        asked = Case(case.subject, case.texts, judge=answer, quick=True)
        asked.generated = case.generated  # written once
        return measure(asked, ['judge'])[0]
    def breaks(text): raise OSError('no answer')
    for bad in (None, breaks, lambda t: None, lambda t: 'good', lambda t: math.nan, lambda t: True):
        f = judge(bad)
        assert f.value is None and f.missing
    assert judge(lambda t: 3.).value == 3


def test_rouge_and_bleu_come_from_the_standard_libraries(case, monkeypatch):
    from histlm.metrics import Case, measure
    class Scorer:
        def __init__(self, kinds): assert kinds == ['rougeL']
        def score(self, target, prediction): return dict(rougeL=types.SimpleNamespace(fmeasure=float(target == prediction)))
    modules = {'rouge_score': types.ModuleType('rouge_score'), 'rouge_score.rouge_scorer': types.ModuleType('rouge_scorer'), 'sacrebleu': types.ModuleType('sacrebleu')}
    modules['rouge_score.rouge_scorer'].RougeScorer = Scorer
    modules['sacrebleu'].sentence_bleu = lambda hypothesis, references: types.SimpleNamespace(score=100. * (hypothesis in references))
    small = Case(case.subject, case.texts, quick=True)
    for name in modules: monkeypatch.setitem(sys.modules, name, None)
    assert [(f.value, bool(f.missing)) for f in measure(small, ['overlap'])] == [(None, True)] * 2
    for name, module in modules.items(): monkeypatch.setitem(sys.modules, name, module)
    assert [f.value for f in measure(small, ['overlap'])] == [0, 0] and not any(f.missing for f in measure(small, ['overlap']))


def test_the_harness_gets_a_model_of_its_own_kind(case, monkeypatch):
    from histlm.tasks import harness_model
    class LM:
        def __init__(self): self.rank = 0
    for name in ('lm_eval', 'lm_eval.api', 'lm_eval.api.model'): monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules['lm_eval.api.model'].LM = LM
    model, request = harness_model(case.subject), types.SimpleNamespace
    assert isinstance(model, LM) and model.rank == 0
    (one, greedy), = model.loglikelihood([request(args=('The Prisoner', ' was'))])
    assert one < 0 and isinstance(greedy, bool)
    assert isinstance(model.generate_until([request(args=('The', dict(until=['\n'], max_gen_toks=4)))])[0], str)


# Compressors

def test_a_primed_compressor_that_dies_is_an_error():
    from histlm.baselines import BaselineError, primed_bits
    class Dies:
        def compress(self, data):
            if data == b'x': raise MemoryError
            return b''
        def flush(self): return b''
    with pytest.raises(BaselineError): primed_bits(Dies, b'', [b'x'])


def test_ppmd_is_a_rival_where_it_is_installed_and_a_missing_number_elsewhere(home, monkeypatch, capsys):
    from histlm.baselines import BaselineError, Ppmd, primed_bits
    monkeypatch.setitem(sys.modules, 'pyppmd', None)
    with pytest.raises(BaselineError, match='pip install pyppmd'): Ppmd()
    monkeypatch.undo()
    pytest.importorskip('pyppmd')
    def plainly(data): c = Ppmd(6, 1 << 22); return len(c.compress(data)) + len(c.flush())
    prime, text = b'The Prisoner at the Bar was indicted for stealing. ' * 40, b'The Prisoner was acquitted of stealing.'
    assert primed_bits(lambda: Ppmd(6, 1 << 22), prime, [text])[0] == 8. * (plainly(prime + text) - plainly(prime)) < 8. * plainly(text)


def test_a_prime_is_read_once_and_not_once_a_document():
    from histlm.baselines import primed_bits
    sizes = []
    class Lazy:
        "Puts off what it gets, as LZMA does, and says how much was put off when the text came."
        def __init__(self): self.waiting = b''
        def compress(self, data):
            done, self.waiting = self.waiting, data
            sizes.append(len(done))
            return done
        def flush(self): return self.waiting
    assert primed_bits(Lazy, bytes(10**6), [b'abc'] * 3).tolist() == [24.] * 3
    assert sum(sizes) > 900_000 and max(sizes) < 20_000  # in this process


def test_shares_of_contamination_are_kept():
    from histlm.baselines import contaminate
    from histlm.sample import sample_documents
    texts = [d.text for d in sample_documents(200_000)]
    size = lambda some: sum(len(t.encode()) for t in some)
    for share in (.002, .01, .05):
        dirty = contaminate(texts, share, seed=3)
        assert (size(dirty) - size(texts)) / size(dirty) == pytest.approx(share, rel=.1)
        assert len(dirty) == len(texts)
