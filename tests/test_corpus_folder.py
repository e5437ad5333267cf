"A folder of real documents: read with bounded memory, split as its manifest says. Skipped where HISTLM_TEST_CORPUS names none."
import os, tracemalloc
from pathlib import Path

import pytest

from histlm.corpora import open_corpus

WHERE = os.environ.get('HISTLM_TEST_CORPUS', '')
pytestmark = pytest.mark.skipif(not (Path(WHERE)/'manifest.csv').is_file() or not WHERE, reason='HISTLM_TEST_CORPUS names no corpus')


def test_every_document_is_read_within_bounded_memory():
    corpus = open_corpus(WHERE)
    tracemalloc.start()
    before, n, sides = tracemalloc.get_traced_memory()[0], 0, set()
    for document in corpus.documents():
        assert document.text and '\n\n' not in document.text and '  ' not in document.text and '\u2223' not in document.text
        n, sides = n + 1, sides | {document.split}
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert n == corpus.n_documents and sides == {'train', 'valid'}
    assert peak < 12 * max(e.n_raw for e in corpus.entries), 'memory must be bounded by the largest document'


def test_the_fingerprint_is_that_of_the_content():
    assert open_corpus(WHERE).fingerprint == open_corpus(str(Path(WHERE))).fingerprint
