"Questions about history: the packaged files, no answer given away, bad lines named, broken models caught."
import json
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ROOT

from histlm import anachronism, cutoff
from histlm.baselines import Subject, bigram, contaminate
from histlm.cutoff import (Surprise, agreement, dated_forms, find_jump, judge_finder, late_words, main, measure_anachronism, measure_cutoff,
                           openings, read_labelled, too_many)
from histlm.cutoff import CutoffError
from histlm.dates import anachronistic, first_attested
from histlm.history import (COLUMNS, FIRST_YEAR, KINDS, LAST_YEAR, LEAD_COLUMNS, VOICE_COLUMNS, HistoryError, crossed_findings, load_questions,
                            load_voice, read_table, score_pairs)
from histlm.metrics import METRICS, Case
from histlm.sample import sample_documents
from histlm.tokenizer import train_tokenizer

PACKAGE = resources.files('histlm')


def table(name, columns): return read_table((PACKAGE/name).read_text(encoding='utf-8'), columns)


def test_packaged_files_are_sound():
    rows, bad = table('history_items.tsv', COLUMNS)
    voice, worse = table('history_voice.tsv', VOICE_COLUMNS)
    leads, worst = table('history_leads.tsv', LEAD_COLUMNS)
    assert not bad + worse + worst and len(rows) + 2 * len(voice) >= 400
    assert len({r['id'] for r in rows + voice}) == len(rows + voice)
    assert {r['kind'] for r in rows} == set(KINDS)
    assert all(FIRST_YEAR <= int(r['year']) <= LAST_YEAR for r in rows if r['year'])
    assert all(r['year'] for r in rows if r['kind'] == 'year')
    for r in rows + voice + leads: assert r['page'].startswith(('http://', 'https://')) and '.' in r['page'], r
    assert len({r['page'] for r in rows + voice + leads}) > 100
    assert {r['period'] for r in leads} == {'1590', '1690', '1790', '1840'}
    for load in (load_questions, load_voice): assert load()[1] == []


def test_no_answer_is_given_away():
    items = [i for q in load_questions()[0] + load_voice()[0] for i in q.items()]
    for rule in (len, lambda c: -len(c), lambda c: sum(c == i.choices[i.right] for i in items)):
        won = [rule(i.choices[0]) < rule(i.choices[1]) for i in items if rule(i.choices[0]) != rule(i.choices[1])]
        assert 2 * sum(won) == len(won)
    for q in load_questions()[0] + load_voice()[0]:
        a, b = (i.context.split()[-2:] for i in q.items())
        assert a == b, q


def test_a_bigram_model_ties_everywhere():
    pairs = load_questions()[0] + load_voice()[0]
    lessons = [i.context + i.choices[0] for q in pairs for i in q.items()]
    model = bigram(train_tokenizer(lessons, 1200), lessons)
    scores, left_out = score_pairs(model, pairs)
    assert not left_out and all(s.right == .5 and abs(s.gain) < 1e-9 for s in scores)
    share, gain = crossed_findings('x', scores, '', '')
    assert share.value == .5 and share.low < .5 < share.high and share.details['ties'] == len(pairs) and gain.value == pytest.approx(0)


GOOD = 'y1\tyear\tfire\t1666\tp\tThe fire began in the year\t1666\t1702\thttps://x.org\ny2\tyear\treign\t1702\tp\tAnne was crowned in the year\t1702\t1666\thttps://x.org\n'


@pytest.mark.parametrize('line, said', [
    ('y3\tyear\tfire\t1066\tq\tIt was in the year\t1066\t1702\thttps://x.org', 'outside 1500–1850'),
    ('y1\tyear\tfire\t1700\tq\tIt was in the year\t1700\t1702\thttps://x.org', 'not unique'),
    ('y3\tyear\tfire\t1700\tq\tIt was in the year\t1700\t1702\tmemory', 'no address'),
    ('y3\tyear\tfire\t1700\tq\tIt was in the year\t1701\t1702\thttps://x.org', 'is not the year'),
    ('y3\tsport\tfire\t1700\tq\tIt was in the year\t1700\t1702\thttps://x.org', "kind 'sport'"),
    ('y3\tyear\tfire\t1700\tq\tIt was in the year\t1700\t1702\thttps://x.org', '1 lines, not two'),
    ('only three\tcolumns\there', '3 columns, not 9'),
])
def test_a_bad_line_is_named_and_the_rest_goes_on(tmp_path, line, said):
    path = tmp_path/'items.tsv'
    path.write_text('\t'.join(COLUMNS.split()) + '\n' + GOOD + line + '\n', encoding='utf-8')
    pairs, bad = load_questions(path)
    assert [q.id for q in pairs] == ['p'] and len(bad) == 1
    assert 'line 4' in bad[0][0] and said in bad[0][1]


def test_uneven_pairs_and_wrong_heads_are_refused(tmp_path):
    path = tmp_path/'items.tsv'
    for old, new in (('1702\t1666\thttps', '1702\t1665\thttps'), ('crowned in the year', 'crowned in that year')):
        path.write_text('\t'.join(COLUMNS.split()) + '\n' + GOOD.replace(old, new), encoding='utf-8')
        assert load_questions(path)[0] == [] and len(load_questions(path)[1]) == 1
    path.write_text('id\tdate\n', encoding='utf-8')
    with pytest.raises(HistoryError, match='must name'): load_questions(path)


def test_items_longer_than_the_context_are_left_out_by_name():
    pairs = load_voice()[0]
    tokenizer = train_tokenizer([i.context for q in pairs for i in q.items()], 600)
    model = bigram(tokenizer, ['A plain text.'])
    model.context = 40
    case = Case(model, [])
    findings = METRICS['history/period voice'].measure(case)
    assert len(case.left_out) > 5 and all('longer than the context' in why for _, why in case.left_out)
    model.context = 4
    missing = METRICS['history/period voice'].measure(Case(model, []))[0]
    assert missing.value is None and missing.missing


def test_the_interval_of_the_jump_holds_its_year_as_often_as_it_says():
    words = sorted(((a.year, a.word) for a in first_attested().values()))
    seen = [Surprise(w, y, 0., 1 + len(w) // 3) for y, w in words]
    design, cuts, steps = cutoff._columns(seen)
    years, rng, held = np.array([y for y, _ in words]), np.random.default_rng(3), []
    for _ in range(1500):
        truth = rng.integers(1600, 1900)
        rest = cutoff._residual(design, .004 * years + rng.uniform(3, 6) * (years > truth) + 6 * rng.standard_normal(len(years)))
        fit = np.maximum(rest @ steps, 0) ** 2
        j = cutoff._verdict(cuts, fit, (rest ** 2).sum() - fit.max(), 0., 0., len(years), .01)
        held.append(j.low <= truth <= j.high)
    assert .93 <= np.mean(held) <= .97, np.mean(held)


def test_jump_is_placed_and_not_invented():
    rng, n = np.random.default_rng(0), 300
    years = np.sort(rng.integers(1500, 2000, n))
    def draw(truth, height, seed):
        noise = np.random.default_rng(seed).normal(0, 4, n)
        return find_jump([Surprise('w' * (4 + k % 9), int(y), 8 + 1.2 * (4 + k % 9) + .005 * (y - 1500) + height * (y > truth) + e, 2 + k % 3)
                          for k, (y, e) in enumerate(zip(years, noise))], shuffles=200)
    found = [draw(1760, 6, k) for k in range(12)]
    assert sum(j.year is not None and j.low <= 1760 <= j.high for j in found) >= 10
    assert sum(draw(1760, 0, k).year is not None for k in range(12)) <= 3
    with pytest.raises(CutoffError, match='too few'): find_jump([Surprise('a', 1700, 1., 1)] * 20)


class Blank(Subject):
    "Every token equally likely."
    def token_bits(self, documents, progress=False): return [np.full(len(d), 9.) for d in documents]


def test_a_blank_model_has_no_cutoff():
    finding = measure_cutoff(Case(Blank('blank', train_tokenizer([d.text for d in sample_documents(20_000, 1)], 400)), [], quick=True))[0]
    assert finding.value is None and 'no year' in finding.missing


def test_late_words_know_no_senses():
    found = lambda text, year: [l.word for l in late_words(text, year)]
    assert found('He came by the railway.', 1600) == ['railway'] and found('He came by the railway.', 1700) == []
    assert found('The stage, the engine, the coach, the press and the glass.', 1600) == []
    text = 'It was ſold with two PHOTOGRAPHS in 1871.'
    assert [text[l.start:l.end] for l in late_words(text, 1800)] == ['PHOTOGRAPHS', '1871']


LINES = [dict(id='a', year=1600, text='He went by railway.', late=['railway']), dict(id='b', year=1600, text='He went by horse.', late=[]),
         dict(id='c', year=1650, text='The quidditch stood still.', late=['quidditch'])]


def test_labelled_sentences_and_their_bad_lines(tmp_path, capsys):
    path = tmp_path/'labelled.jsonl'
    path.write_text('\n'.join(map(json.dumps, LINES)) + '\n{"id": "d"}\nno json\n{"id": "e", "year": 1600, "text": "x", "late": ["y"]}\n', encoding='utf-8')
    sentences, bad = read_labelled(path)
    assert [s.id for s in sentences] == ['a', 'b', 'c'] and [b[0] for b in bad] == ['line 4', 'line 5', 'line 6']
    judged = judge_finder(sentences)
    assert judged.precision.value == 1 and judged.recall.value == .5 and judged.missed == (('c', 'quidditch'),) and not judged.false
    assert main([str(path)]) == 0 and 'left out line 5' in capsys.readouterr().out
    path.write_text('[]\n', encoding='utf-8')
    assert main([str(path)]) == 1 and 'no labelled sentence' in capsys.readouterr().err
    assert judge_finder(sentences, lambda text, year: []).recall.value == 0


def triples(texts):
    "What follows each pair of words."
    after = {}
    for words in (t.split() for t in texts):
        for pair, third in zip(zip(words, words[1:]), words[2:]): after.setdefault(pair, []).append(third)
    return after


def written(after, n_words, seed):
    "Text of a model of word triples."
    rng, keys, out = np.random.default_rng(seed), list(after), []
    for die in rng.random(n_words):
        then = after.get(tuple(out[-2:]))
        out += [then[int(die * len(then))]] if then else list(keys[int(die * len(keys))])
    return ' '.join(out)


def test_one_per_cent_of_modern_text_is_flagged_and_its_clean_twin_is_not():
    texts = [d.text for d in sample_documents(400_000, 5)]
    count = lambda t: (len(late_words(t, LAST_YEAR)), len(t.split()))
    real, clean = count(' '.join(texts)), triples(texts)
    for seed in range(6):
        after = clean, triples(contaminate(texts, .01, seed))
        alone, twin = (too_many(*count(written(a, 20_000, seed)), *real) for a in after)
        assert alone > .01 > twin, (seed, alone, twin)


def test_anachronism_metric_says_when_there_is_too_little():
    case = lambda texts: SimpleNamespace(generated=texts, texts=[SimpleNamespace(text='The watch took him. ' * 200)])
    assert measure_anachronism(case(['Two words']))[0].missing
    late = measure_anachronism(case(['The astronaut sent an email by bicycle. ' * 30] * 4))[0]
    assert late.low > 0 and late.details['p'] < .01 and 'astronaut' in ''.join(late.worst)


def test_forms_agree_with_their_own_period():
    forms = dated_forms()
    assert agreement('He hath it vpon his knee', 1590, forms) == 1 and agreement('He hath it vpon his knee', 1840, forms) == 0
    assert len(forms) > 25 and {p for p, _ in openings()} == {1590, 1690, 1790, 1840}


def test_the_finder_on_sentences_by_other_hands():
    "Development data since the long lists were written; the lists of chapter 10a alone found two in five."
    sentences, bad = read_labelled(ROOT/'tests'/'labelled.jsonl')
    judged = judge_finder(sentences)
    assert (len(sentences), bad, sum(bool(s.late) for s in sentences)) == (240, [], 120)
    assert judged.precision.value >= .95 and judged.recall.value >= .95
    short = judge_finder(sentences, lambda text, year: [SimpleNamespace(text=w) for w, _ in anachronistic(text, year)])
    assert short.precision.value >= .95 and short.recall.value < .5


def test_the_finder_on_sentences_written_since():
    "Judged once, as it was: 117 of 151 found, none falsely. Whoever adds their words to the lists needs other sentences to judge by."
    sentences, bad = read_labelled(ROOT/'tests'/'labelled2.jsonl')
    judged = judge_finder(sentences)
    assert (len(sentences), bad, sum(bool(s.late) for s in sentences)) == (300, [], 151)
    assert judged.precision.value >= .95 and judged.recall.value >= .75


def test_every_list_of_the_finder_is_needed(monkeypatch):
    sentences, _ = read_labelled(ROOT/'tests'/'labelled.jsonl')
    forged = [(1600, 'The basically good man.', 'measured'), (1600, 'He owed it to the Bank of England.', 'institution'), (1600, 'The velocipede.', 'list'),
              (1700, 'The computer had lost the file.', 'sense'), (1700, 'It was printed in 1871.', 'year')]
    for year, text, kind in forged: assert [l.kind for l in late_words(text, year)] == [kind], text
    monkeypatch.setattr(anachronism, 'measured_words', lambda: {})
    assert not late_words(*forged[0][1::-1]) and late_words(*forged[1][1::-1])
    monkeypatch.setattr(anachronism, '_index', lambda: {})
    assert [bool(late_words(text, year)) for year, text, _ in forged] == [False] * 4 + [True]
    assert judge_finder(sentences).recall.value < .05


def test_dated_lists_are_sound():
    things, measured = anachronism.dated_things(), anachronism.measured_words()
    assert len(things) > 5000 and len(measured) > 5000
    assert len({(d.term, d.company) for d in things}) == len(things)
    assert all(1500 < d.year < 2030 and d.reference and d.under for d in things)
    assert {m.rule for m in measured.values()} == {'A', 'B'} and all(m.expected > 1 for m in measured.values())
    clean = 'The stage, the engine, the coach, the press and the glass; the train, the car, the mobile, the virus, the film, the plastic and the network.'
    assert not late_words(clean, 1600)


@pytest.mark.parametrize('text, late', [
    ('The Logarithmes of Napier', ['Logarithmes']), ('in Regent-Street, at tea', ['Regent-Street']), ('REGENT STREET', ['REGENT STREET']),
    ('the new regent street', []), ('the railway-carriages', ['railway-carriages']), ('a world. War came', []), ('ſnobbery', ['ſnobbery']),
    ('Alderman Cockayne', []), ('a gin for the hare', []), ('a quart of gin', ['gin']), ('A hare in a gin. A quart of ale', []), ('', []), ('— 12 —', []),
])
def test_forms_company_and_capitals(text, late):
    assert [l.text for l in late_words(text, 1571 if 'Log' in text else 1690)] == late


def test_measuring_names_what_it_cannot_read(tmp_path, capsys):
    rates, words = tmp_path/'rates.tsv', tmp_path/'words.txt'
    rates.write_text('basically\t40\n'); words.write_text('basically')
    run = lambda: anachronism.main([str(tmp_path), str(tmp_path/'out.tsv'), '--modern', str(rates), '--spelling', str(words)])
    assert run() == 1 and 'no documents/*.parquet' in capsys.readouterr().err
    (tmp_path/'documents').mkdir()
    table = {'text': ['the prior of home work ' * 900, 'basically'], 'year': [1700, 1900], 'split': ['train', 'train']}
    pq.write_table(pa.table(table), tmp_path/'documents'/'0.parquet')
    words.write_text('basically homework Kevin')
    rates.write_text('basically\t400\nhomework\t500\nkevin\t900\n')
    assert run() == 0 and [l.split('\t')[0] for l in (tmp_path/'out.tsv').read_text().splitlines()] == ['word', 'basically']
    rates.write_text('basically forty\n')
    assert run() == 1 and 'error' in capsys.readouterr().err
