"""Runs that are harmed on purpose: one process per rank, forked from a warm parent, with a trap at a chosen moment.

`python tests/faultbox.py` reads questions, one JSON line each, and answers them; `--all FILE` fills the matrix of chapter 06b.
A question is a cell (table, fault, phase, ranks); the answer is its outcome: 'survived' or the name of the error, or a line that begins with LOST.
With the name of an entry of BROKEN beside it, the code behind a promise is broken first, and the outcome has to begin with LOST."""
import contextlib, errno, hashlib, json, os, pickle, random, re, select, shutil, signal, socket, struct, sys, tempfile, threading, time, types
from pathlib import Path

PHASES = {  # moment: what is about to happen (a regular expression on the events of this run's files), or the method that is entered
    'building': 'build', 'opening the folder': r'os.rename .*/config.json$', 'first batch': 'gradients 0', 'a batch': 'gradients 4', 'validation': 'score 1',
    'save: folder': r'os.mkdir .*/\.\.ready-', 'save: weights': r'open .*/model.safetensors$', 'save: optimizer': r'open .*/optimizer.safetensors$',
    'save: generators': r'open .*/rng.safetensors$', 'save: state': r'os.rename .*/state.json$', 'save: checksums': r'os.rename .*/checksums.json$',
    'save: whole': r'os.rename .*/\.ready-\d+$', 'save: name': r'os.rename .*/step-\d+$', 'save: best': r'os.rename .*/best.json$',
    'save: pruning': r'os.rename .*/\.deleting-', 'log': 'append 5', 'finishing': 'finish', 'leaving': r'os.rename .*/done.rank0.json$'}
FAULTS = ('SIGKILL', 'SIGTERM', 'SIGINT', 'second signal', 'a rank dies', 'disk full', 'read-only folder', 'dying disk', 'NaN in a weight', 'W&B down')
DISK = {'disk full': errno.ENOSPC, 'read-only folder': errno.EROFS, 'dying disk': errno.EIO}
CHECKPOINT = ('model.safetensors', 'optimizer.safetensors', 'rng.safetensors', 'state.json', 'checksums.json')
HARMS = ('flipped byte', 'truncated', 'missing', 'emptied', 'a link')
HOSTILE = ('a path that climbs', 'a giant header', 'wrong shapes', 'a pickle', 'torn config.json', 'torn metrics.jsonl', 'torn best.json',
           'altered shards', 'another tokenizer', 'another corpus', 'shards of another corpus', 'shards of another corpus, nothing saved')
MORE = ('ten kills', 'another number of ranks', 'a batch of NaN, skipped', 'W&B hangs', 'no memory for a copy', 'a slow disk', 'SIGTERM to one rank', 'SIGTERM, one rank later')
STEPS = 8

BROKEN = {  # what is broken: (its promise in chapter 06b, a cell that has to notice, how it is broken in every process of the run)
    'optimizer forgotten': (1, ('faults', 'SIGKILL', 'a batch', 1), 'C.restore_optimizers = lambda *a, **k: None'),
    'nothing loaded': (1, ('faults', 'SIGKILL', 'a batch', 2), 'T.Run.load = lambda run, path: None'),
    'the first batches again': (2, ('more', 'ten kills', 'on the way', 1), 'real = T.Run.load; T.Run.load = lambda run, path: (real(run, path), run.state.update(samples=0), setattr(T, "micro_batches", lambda step, *a: share(0, *a)))'),
    'ranks read the same': (3, ('more', 'another number of ranks', 'on the way', 1), 'T.micro_batches = lambda step, rows, size, rank, world: share(step, rows, size, 0, world)'),
    'written in place': (4, ('faults', 'SIGKILL', 'save: optimizer', 1), 'G.write_snapshot = in_place'),
    'checksums not compared': (4, ('damage', 'flipped byte', 'model.safetensors', 1), 'C._check_file = lambda file, want, read=None: read(file)[0] if read else None'),
    'damage taken for absence': (4, ('damage', 'missing', 'checksums.json', 1), 'T.find_checkpoint = lambda folder, which: None'),
    'an error without a name': (4, ('faults', 'disk full', 'save: weights', 1), 'C.disk_errors = nameless'),
    'a failed save not heard': (4, ('faults', 'disk full', 'save: weights', 1), 'G.Saver.check = lambda saver: None'),
    'a signal ends the process': (5, ('faults', 'SIGTERM', 'a batch', 1), 'T.StopSignals._note = lambda self, number, frame: os._exit(1)'),
    'ranks do not agree': (5, ('more', 'SIGTERM to one rank', 'on the way', 2), 'T.Run.agree = alone'),
    'no patience with a lost rank': (5, ('more', 'SIGTERM, one rank later', 'on the way', 2), 'T.StopSignals.soon = lambda signals: bool(signals.received)'),
    'living tensors written': (6, ('more', 'a slow disk', 'on the way', 1), 'real = G.snapshot; G.snapshot = lambda *a, copy=True: real(*a, copy=False)'),
    'the last is deleted': (6, ('faults', 'SIGTERM', 'a batch', 1), 'C.prune_checkpoints = lambda run, keep: [shutil.rmtree(p) for p in C.list_checkpoints(run)[-1:]]'),
    'identity not checked': (8, ('hostile', 'shards of another corpus, nothing saved', 'at a resume', 1), 'T.Run.check_identity = lambda run: None'),
    'the log not rewound': (9, ('faults', 'SIGKILL', 'save: weights', 1), 'T.MetricsLog.rewind = lambda log, step: 0'),
    'the tracker in the way': (9, ('faults', 'W&B down', 'a batch', 1), 'T.Run.open_tracker = in_the_way'),
    'NaN not noticed': (10, ('more', 'a batch of NaN, skipped', 'on the way', 1), 'T.Run.heed_watch = lambda *a: False'),
    'a pickle loaded': (11, ('hostile', 'a pickle', 'at a resume', 1), 'C.read_hashed = lambda path: pickle.loads(Path(path).read_bytes())'),
    'shapes not compared': (11, ('hostile', 'wrong shapes', 'at a resume', 1), 'C._check_model = lambda *a: None'),
    'a giant header believed': (11, ('hostile', 'a giant header', 'at a resume', 1), 'C.read_hashed = lambda path: open(path, "rb").read(int.from_bytes(open(path, "rb").read(8), "little"))')}


def cells():
    "Every cell: (table, fault, phase or file, ranks)."
    made = [('faults', f, p, n) for f in FAULTS for p in PHASES for n in (1, 2)]
    made += [('damage', h, f, n) for h in HARMS for f in CHECKPOINT for n in (1, 2)]
    made += [('more', f, 'on the way', n) for f in MORE for n in (1, 2)]
    return made + [('hostile', h, 'at a resume', n) for h in HOSTILE for n in (1, 2)]


def name(cell): return '/'.join(map(str, cell))


def in_third(cell):
    "Whether a cell belongs to the third that every test run takes, chosen by the hash of its name."
    return int(hashlib.sha256(name(cell).encode()).hexdigest(), 16) % 3 == 0


def settings(folder, **changes):
    from histlm.recipe import train_config
    return train_config(**{**dict(run_dir=str(folder), preset='tiny', corpus='sample:100kB', vocab_size=512, context=32, batch_tokens=256, max_steps=STEPS, dropout=.1,
        per_device_batch=4, warmup_steps=2, log_every_steps=1, eval_every_steps=4, eval_bytes=2000, save_every_steps=3, save_every_s=0, keep_checkpoints=2, device='cpu',
        precision='fp32', compile='off', optimizer='adamw'), **changes})


def unheard(folder): return folder.with_name(f'unheard.{folder.name}')   # the note of a run that went on after a save that failed


class Trap:
    "Springs once, when its moment comes, and does its harm."
    def __init__(self, fault, phase, run_dir, rank, bell):
        self.fault, self.run_dir, self.rank, self.bell = fault, str(run_dir), rank, bell
        self.how, self.sprung, self.poisoned, self.run = PHASES[phase], False, False, None
        self.by_file = self.how.startswith(('os.', 'open'))

    def spring(self):
        "Do the harm."
        if self.sprung: return
        self.sprung = True
        if self.fault in ('a rank dies', 'a slow disk'): os.kill(os.getpid(), signal.SIGKILL)
        if self.fault in ('SIGKILL', 'SIGTERM', 'SIGINT', 'second signal', 'SIGTERM to one rank', 'SIGTERM, one rank later'):
            os.write(self.bell, b'!')
            end = time.monotonic() + (5 if self.fault == 'SIGKILL' else .4)
            while time.monotonic() < end: time.sleep(.01)
        if self.fault == 'NaN in a weight' and not self.by_file and hasattr(self.run, 'model'): self.poison()

    def poison(self):
        "Put a NaN into every weight."
        self.poisoned = True
        for p in self.run.model.parameters(): p.data.view(-1)[0] = float('nan')

    def heard(self, event, args):
        "The audit hook: every file that is opened, renamed, made or removed passes here."
        if event not in ('open', 'os.rename', 'os.mkdir', 'os.remove', 'os.rmdir') or not args: return
        path = args[1] if event == 'os.rename' else args[0]
        if not isinstance(path, (str, bytes, os.PathLike)): return
        path = os.fsdecode(path)
        if not path.startswith(self.run_dir) or '/pulse' in path or '/.pulse' in path: return
        if event == 'open' and not (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT): return
        if self.by_file and not self.sprung and re.match(self.how, f'{event} {path}'): self.spring()
        if self.sprung and self.fault in DISK: raise OSError(DISK[self.fault], os.strerror(DISK[self.fault]), path)

    def set(self):
        "Put the trap into the training code of this process."
        import histlm.train as T
        trap, Run = self, T.Run
        real = {n: getattr(Run, n) for n in ('build', 'gradients', 'finish', 'agree')}
        def build(run):
            trap.run = run
            if trap.how == 'build': trap.spring()
            return real['build'](run)
        def gradients(run):
            if trap.by_file and run.saver is not None and (trap.fault == 'NaN in a weight' or trap.fault in DISK): run.saver.finish()   # the writer is a thread: its moments come before the batch, however slow the disk
            if trap.fault == 'NaN in a weight' and trap.sprung and not trap.poisoned: trap.poison()   # what a file's moment began
            got = real['gradients'](run)
            if trap.how == f'gradients {run.state["step"]}':
                trap.spring()
                if trap.fault == 'a batch of NaN': return got * float('nan')
            return got
        def finish(run):
            if trap.how == 'finish': trap.spring()
            return real['finish'](run)
        def agree(run):
            if run.saver.error is not None and trap.fault in DISK: unheard(Path(trap.run_dir)).touch()   # the step after a save that failed is over
            return real['agree'](run)
        Run.build, Run.gradients, Run.finish, Run.agree = build, gradients, finish, agree
        score, append = T.score_documents, T.MetricsLog.append
        def score_documents(*args, before_batch=lambda: None, **kw):
            if trap.how == 'score 1': trap.spring()
            return score(*args, before_batch=before_batch, **kw)
        def log_append(log, row):
            if trap.how == f'append {row["step"]}':
                trap.spring()
                if trap.fault in DISK: log.close()
            return append(log, row)
        T.score_documents, T.MetricsLog.append = score_documents, log_append
        sys.addaudithook(self.heard)


def fake_wandb(trap):
    "A W&B that works until the trap has sprung."
    def check():
        if trap.sprung and trap.fault == 'W&B hangs': time.sleep(60)
        if trap.sprung: raise ConnectionError('W&B is down')
    def init(**kw):
        check()
        return types.SimpleNamespace(log=lambda row, step: check(), finish=lambda: check())
    return types.SimpleNamespace(init=init, Settings=lambda **kw: None)


def slow_disk(G, trap):
    "The writer begins when the next step has changed the weights, or when somebody waits for it."
    real_wait, write, waited = G.Saver.wait, G.write_snapshot, threading.Event()
    def wait(saver):
        waited.set()
        real_wait(saver)
        waited.clear()
    def write_late(run_dir, snap, *rest):
        end = time.monotonic() + 20
        while not waited.is_set() and trap.run.state['step'] <= snap.step and time.monotonic() < end: time.sleep(.002)
        return write(run_dir, snap, *rest)
    G.Saver.wait, G.write_snapshot = wait, write_late


def ring_when_lost(T, bell):
    "Ring a second time when a rank has lost another and listens for a signal."
    real = T.StopSignals.soon
    def soon(signals):
        os.write(bell, b'!')
        return real(signals)
    T.StopSignals.soon = soon


def break_code(how):
    "Break the code of this process as an entry of BROKEN says."
    import histlm.checkpoint as C, histlm.guard as G, histlm.train as T
    from histlm.recipe import micro_batches as share
    def in_place(run_dir, snap, keep=3, best=False):
        "A checkpoint written under its own name."
        to = C._folder(run_dir)/f'step-{snap.step:08d}'
        to.mkdir(parents=True)
        C._write(to, snap)
    @contextlib.contextmanager
    def nameless(what): yield
    def alone(run):
        "Every rank decides for itself."
        return bool(run.signals.received), run.state['step'] % run.c['save_every_steps'] == 0, False
    def in_the_way(run):
        "The tracker is called by the loop."
        tracker = sys.modules['wandb'].init() if run.ranks.is_main and run.c['wandb_mode'] != 'disabled' else None
        run.track = lambda row: tracker and tracker.log(row, step=row['step'])
    exec(how, {**globals(), **locals()})


def rank_main(rank, ranks, port, folder, trap, bell, changes, broken, report):
    "One rank's process, from the fork to its end; leaves how it ended in `report`."
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), GLOO_SOCKET_IFNAME='lo')
    said = dict(rank=rank)
    try:
        import histlm.train as T
        import histlm.guard as G
        T.matmul_rate = lambda *a, **k: 1e9
        if broken: break_code(BROKEN[broken][2])
        if trap:
            set_here = rank == 0 or 'NaN' in trap[0]
            if trap[0] == 'a rank dies': set_here = rank == (0 if PHASES[trap[1]].startswith(('os.', 'open', 'append')) else ranks - 1)
            snare = Trap(*trap, folder, rank, bell)
            if set_here: snare.set()
            if trap[0] == 'no memory': G.memory_room = lambda device, local_ranks: 0
            if trap[0] == 'a slow disk': slow_disk(G, snare)
            if trap[0] == 'SIGTERM, one rank later' and rank < ranks - 1: ring_when_lost(T, bell)
            if trap[0] == 'W&B hangs': T.TRACKER_PATIENCE_S = .5
            if trap[0].startswith('W&B'):
                sys.modules['wandb'] = fake_wandb(snare)
                changes = dict(changes, wandb_mode='offline')
        result = T.train(settings(folder, **changes))
        said.update(status=result['status'])
    except BaseException as e:
        from histlm.core import HistlmError
        said.update(status='failed', error=type(e).__name__, named=isinstance(e, HistlmError), text=str(e)[:500])
    report.write_text(json.dumps(said))


def attempt(home, folder, ranks, trap=None, limit_s=40, broken='', **changes):
    "Start all ranks, look after them as torchrun does, and return how each ended, with the seconds since the bell."
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    ear, bell = os.pipe()
    pids, reports = {}, [home/f'report.{folder.name}.{r}' for r in range(ranks)]
    for r in range(ranks):
        reports[r].unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            with contextlib.suppress(BaseException):
                out = os.open(home/'log.txt', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(out, 1); os.dup2(out, 2); os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                rank_main(r, ranks, port, folder, trap, bell, changes, broken, reports[r])
                sys.stdout.flush()
            os._exit(0)
        pids[pid] = r
    os.close(bell)
    ends, started, rung, first_death, twice, all_ranks = {}, time.monotonic(), None, None, False, range(ranks)
    one = all_ranks if not trap or 'one rank' not in trap[0] else all_ranks[-1:]   # who hears the first signal
    def tell(number, whom=all_ranks):
        for pid, r in pids.items():
            if r in whom: os.kill(pid, number)
    while pids:
        if (rung is None or trap[0] == 'SIGTERM, one rank later' and not twice) and select.select([ear], [], [], 0)[0] and os.read(ear, 1):
            if rung is None: tell({'SIGKILL': signal.SIGKILL, 'SIGINT': signal.SIGINT}.get(trap[0], signal.SIGTERM), one)
            else: twice = True; tell(signal.SIGTERM, all_ranks[:-1])
            rung = rung or time.monotonic()
        if rung and not twice and trap[0] == 'second signal' and time.monotonic() - rung > .15: twice = True; tell(signal.SIGTERM)
        for pid in list(pids):
            got, status = os.waitpid(pid, os.WNOHANG)
            if not got: continue
            r = pids.pop(pid)
            ends[r] = json.loads(reports[r].read_text()) if reports[r].exists() else dict(rank=r, status='killed')
            if ends[r]['status'] in ('killed', 'failed') and first_death is None and pids: first_death = time.monotonic()
        if first_death and time.monotonic() - first_death > 1: tell(signal.SIGTERM); first_death = float('inf')
        if time.monotonic() - started > limit_s:
            tell(signal.SIGKILL)
            for pid in list(pids): os.waitpid(pid, 0); ends[pids.pop(pid)] = dict(status='HANGS')
        time.sleep(.005)
    os.close(ear)
    return [ends[r] for r in sorted(ends)], time.monotonic() - (rung or started)


def record(folder):
    "What has to be equal: the last weights and optimizer, and every row of the log but its speeds."
    last = max(folder.glob('checkpoints/step-*'))
    sums = json.loads((last/'checksums.json').read_text())['files']
    rows = [json.loads(l) for l in (folder/'metrics.jsonl').read_text().splitlines()]
    rows = [{k: v for k, v in r.items() if k not in ('tokens_per_s', 'mfu', 'clock_s')} for r in rows if 'planned_steps' not in r]
    return last.name, [sums[f]['sha256'] for f in CHECKPOINT[:3]], sorted(rows, key=lambda r: (r['step'], 'loss' in r))


class Box:
    "A home for harmed runs, with the runs that nobody harmed."
    def __init__(self, home):
        self.home, self.whole, self.broken = Path(home).resolve(), {}, ''
        os.environ.update(HISTLM_DATA=str(self.home/'data'), TOKENIZERS_PARALLELISM='false', OMP_NUM_THREADS='1')
        import torch, histlm.train, histlm.model
        torch.set_num_threads(1)
        histlm.model.PRESETS['tiny'].update(n_layer=1, n_head=2, n_embd=32)
        histlm.train.matmul_rate = lambda *a, **k: 1e9
        with contextlib.redirect_stdout(sys.stderr): histlm.train.train(settings(self.home/'warm', max_steps=1))   # imports and data, for all forks
        for n in (1, 2): self.undisturbed(n)

    def undisturbed(self, ranks):
        "The run that all others of so many ranks are compared with."
        folder = self.home/f'whole{ranks}'
        ends, _ = attempt(self.home, folder, ranks)
        assert all(e['status'] == 'finished' for e in ends), ends
        self.whole[ranks] = record(folder)

    def attempt(self, folder, ranks, trap=None, **changes):
        "Start a run in this home, with the code broken if this question says so."
        return attempt(self.home, folder, ranks, trap, broken=self.broken, **changes)

    def answer(self, cell, broken=''):
        "The outcome of one cell."
        self.broken, (table, fault, phase, ranks) = broken, cell
        folder = self.home/re.sub(r'\W+', '-', name(cell))
        shutil.rmtree(folder, ignore_errors=True)
        doing = dict(faults=self.interrupted, more=self.more).get(table, self.damaged)
        try: return doing(fault, phase, ranks, folder)
        finally: shutil.rmtree(folder, ignore_errors=True)

    def again(self, folder, ranks, **changes):
        "Mend and give the command again: '' if the run then equals the undisturbed one."
        ends, _ = self.attempt(folder, ranks, **changes)
        if not all(e['status'] == 'finished' for e in ends): return f'LOST: the next start ended with {ends}'
        got, want = record(folder), self.whole[ranks]
        if got == want: return ''
        return f'LOST: another run came out: {got[0]}, {[a == b for a, b in zip(got[1], want[1])]}, {[r for r in got[2] if r not in want[2]][:2]}, {[r for r in want[2] if r not in got[2]][:2]}'

    def interrupted(self, fault, phase, ranks, folder):
        "A fault in the middle of a run, then the same command again."
        ends, seconds = self.attempt(folder, ranks, (fault, phase))
        if any(e['status'] == 'HANGS' for e in ends) or seconds > 30: return f'LOST: it hung, {ends}'
        if unheard(folder).exists(): unheard(folder).unlink(); return f'LOST: it went on after a save that failed, {ends}'
        errors = [e for e in ends if e['status'] == 'failed']
        named = [e['error'] for e in errors if e['named']]
        if fault in ('SIGTERM', 'SIGINT') and not all(e['status'] in ('stopped', 'finished') for e in ends): return f'LOST: a signal ended it with {ends}'
        if fault in ('SIGTERM', 'SIGINT') and phase not in ('building', 'opening the folder') and not list(folder.glob('checkpoints/step-*')): return 'LOST: nothing was saved'
        if fault in (*DISK, 'NaN in a weight', 'W&B down') and errors and not named: return f'LOST: an error without a name, {ends}'
        return self.again(folder, ranks) or (named[0] if named else 'survived')

    def more(self, fault, phase, ranks, folder):
        "What does not fit into fault and moment."
        if fault == 'ten kills':
            draw = random.Random(ranks)
            for _ in range(10):
                phase = draw.choice([p for p in PHASES if p not in ('building', 'opening the folder', 'finishing', 'leaving')])
                self.attempt(folder, ranks, ('SIGKILL', phase))
            return self.again(folder, ranks) or 'survived'
        if fault == 'another number of ranks':   # stopped in the middle, continued by others: the same batches, and the losses of the other number
            self.attempt(folder, ranks, ('SIGTERM', 'a batch'))
            kept = folder.with_name(folder.name + '-kept')
            shutil.copytree(folder, kept)
            try:
                for other in {1: (2, 4), 2: (1, 4)}[ranks]:
                    shutil.rmtree(folder); shutil.copytree(kept, folder)
                    ends, _ = self.attempt(folder, other, per_device_batch=2)
                    losses = [{r['step']: r['loss'] for r in rows if 'loss' in r} for rows in (record(folder)[2], self.whole[ranks][2])]
                    if any(e['status'] != 'finished' for e in ends): return f'LOST: {other} ranks ended with {ends}'
                    if losses[0].keys() != losses[1].keys() or max(abs(losses[0][s] - losses[1][s]) for s in losses[0]) > 1e-4: return f'LOST: {other} ranks give {losses}'
            finally: shutil.rmtree(kept)
            return 'survived'
        trap = dict(zip(MORE[2:], [('a batch of NaN', 'a batch'), ('W&B hangs', 'a batch'), ('no memory', 'building'), ('a slow disk', 'log'), (fault, 'a batch'), (fault, 'building')]))[fault]
        ends, seconds = self.attempt(folder, ranks, trap, **(dict(skip_batches=1) if 'NaN' in fault else {}))
        wanted = 'stopped' if 'SIGTERM' in fault else 'finished'
        if 'slow disk' not in fault and any(e['status'] != wanted for e in ends) or seconds > 30: return f'LOST: {ends} in {seconds:.0f} s'
        if 'slow disk' in fault and ends[0]['status'] != 'killed': return f'LOST: it was not killed, {ends}'
        if 'NaN' not in fault: return self.again(folder, ranks) or 'survived'
        rows = record(folder)[2]
        left = [r['step'] for r in rows if 'skipped' in r]
        return 'survived' if left == [5] and sorted(r['step'] for r in rows if 'loss' in r) == [1, 2, 3, 4, 6, 7, 8] else f'LOST: {rows}'

    def damaged(self, harm, file, ranks, folder):
        "Damage found at a resume: it must be named, nothing may be changed, and the way back must lead to the same end."
        shutil.copytree(self.home/'whole1' if ranks == 1 else self.home/'whole2', folder)
        for p in ('result.json', 'metrics.jsonl.bak'): (folder/p).unlink(missing_ok=True)
        data = os.environ['HISTLM_DATA']
        if harm in HOSTILE[7:]:
            os.environ['HISTLM_DATA'] = str(folder/'data')
            shutil.copytree(data, folder/'data')
        try:
            mend, changes = do_harm(harm, max(folder.glob('checkpoints/step-*')), file, folder), {}
            if harm == 'another corpus': changes = dict(corpus=str(other_corpus(folder)))
            before = {p: p.read_bytes() for p in folder.glob('checkpoints/*/*') if p.is_file()}
            ends, _ = self.attempt(folder, ranks, **changes)
            if (folder/'evil').exists(): return 'LOST: code from a checkpoint was run'
            if any(e['status'] != 'failed' or not e['named'] for e in ends if e['rank'] == 0): return f'LOST: {ends}'
            if {p: p.read_bytes() for p in folder.glob('checkpoints/*/*') if p.is_file()} != before: return 'LOST: something was changed'
            mended = mend()
            for p in folder.glob('*.rank*.json'): p.unlink()
            return self.again(folder, ranks, **({} if mended else dict(resume='previous'))) or ends[0]['error']
        finally: os.environ['HISTLM_DATA'] = data


def other_corpus(folder):
    "A folder of documents that is not the run's corpus."
    to = folder/'corpus'
    to.mkdir()
    for i in range(40): (to/f'{i}.txt').write_text(f'In the {i}th Year of his Reign the King did pass over the River with {i} Horse, and they were all lost. ' * 30)
    return to


class Evil:
    "An object that makes a folder when its pickle is loaded."
    def __init__(self, place): self.place = place
    def __reduce__(self): return os.mkdir, (self.place,)


def resum(path, file):
    "Make checksums.json agree with a file that was replaced: what an attacker would do."
    sums = json.loads((path/'checksums.json').read_text())
    raw = (path/file).read_bytes()
    sums['files'][file] = dict(sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))
    (path/'checksums.json').write_text(json.dumps(sums))


def do_harm(harm, path, file, folder):
    "Harm a checkpoint or what belongs to a run; returns a function that mends it if that can be done, and says so."
    target = {'torn config.json': folder/'config.json', 'torn metrics.jsonl': folder/'metrics.jsonl', 'torn best.json': path.parent/'best.json'}.get(harm, path/file)
    raw = target.read_bytes() if target.is_file() else b''
    def restore(): target.write_bytes(raw); return True
    if harm == 'flipped byte': target.write_bytes(raw[:len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1:])
    elif harm == 'truncated': target.write_bytes(raw[:len(raw) // 2])
    elif harm == 'missing': target.unlink()
    elif harm == 'emptied': target.write_bytes(b'')
    elif harm == 'a link': os.rename(target, folder/'elsewhere'); os.symlink(folder/'elsewhere', target)
    elif harm.startswith('torn metrics'): target.write_bytes(raw.replace(b'}\n', b'\n', 1)); return restore
    elif harm.startswith('torn'): target.write_bytes(raw[:len(raw) // 2]); return restore
    elif harm == 'a path that climbs':
        sums = json.loads((path/'checksums.json').read_text())
        sums['files']['../../../../etc/passwd'] = sums['files'].pop('model.safetensors')
        (path/'checksums.json').write_text(json.dumps(sums))
    elif harm == 'a giant header': (path/'model.safetensors').write_bytes(struct.pack('<Q', 2**62) + b'{' * 100); resum(path, 'model.safetensors')
    elif harm == 'a pickle': (path/'model.safetensors').write_bytes(pickle.dumps(Evil(str(folder/'evil'))) + b' ' * 100); resum(path, 'model.safetensors')
    elif harm == 'wrong shapes':
        import torch
        from histlm.state import read_safetensors, write_safetensors
        tensors = {k: v.clone() for k, v in read_safetensors(path/'model.safetensors').items()}
        k = next(k for k, v in tensors.items() if v.ndim == 2)
        tensors[k] = torch.zeros(tensors[k].shape[0], tensors[k].shape[1] + 1)
        (path/'model.safetensors').unlink(); write_safetensors(path/'model.safetensors', tensors); resum(path, 'model.safetensors')
    else: return harm_data(harm, folder)
    return lambda: False


def harm_data(harm, folder):
    "Harm the prepared data that a run was begun with."
    data, = [p for p in (folder/'data').iterdir() if p.is_dir()]
    keep = folder/'kept'
    shutil.copytree(data, keep)
    def restore(): shutil.rmtree(data); shutil.copytree(keep, data); return True
    if harm == 'altered shards':
        shard = data/'tokens'/'train-00000.bin'
        raw = bytearray(shard.read_bytes()); raw[1000] ^= 1; shard.write_bytes(raw)
    elif harm == 'another tokenizer':
        spec = json.loads((data/'tokenizer.json').read_text())
        merges = spec['model']['merges']; merges[-1], merges[-2] = merges[-2], merges[-1]
        (data/'tokenizer.json').write_text(json.dumps(spec))
    elif harm.startswith('shards of another corpus'):   # whole and sound, and of the same sizes: only the fingerprint tells
        meta = json.loads((data/'tokens'/'meta.json').read_text())
        meta['corpus_fingerprint'] = hashlib.sha256(b'another').hexdigest()
        (data/'tokens'/'meta.json').write_text(json.dumps(meta))
        if 'nothing saved' in harm: shutil.rmtree(folder/'checkpoints')   # stopped before its first save: no checkpoint has the fingerprints
    return restore


def main():
    with tempfile.TemporaryDirectory(prefix='histlm-box-') as home:
        box = Box(home)
        if sys.argv[1:2] == ['--all']:
            out, found = Path(sys.argv[2]), {}
            if out.exists() and '--only' in sys.argv: found = json.loads(out.read_text())
            wanted = [c for c in cells() if '--only' not in sys.argv or re.search(sys.argv[sys.argv.index('--only') + 1], name(c))]
            for n, cell in enumerate(wanted):
                started = time.time()
                found[name(cell)] = box.answer(cell)
                out.write_text(json.dumps(found, indent=0, sort_keys=True) + '\n')
                print(f'{n + 1}/{len(wanted)}  {name(cell)}: {found[name(cell)]}  {time.time() - started:.1f} s', flush=True)
            return
        print('ready', flush=True)
        for line in sys.stdin: print(json.dumps(box.answer(*json.loads(line))), flush=True)


if __name__ == '__main__': main()
