"""Times upstream's lease checker over a folder of shares, in one slice. Prints one line of
JSON: the seconds of its work, and those of the processor.

    python tools/bench/crawl-upstream.py STORAGE_FOLDER
"""
import json
import os
import sys
import time
from types import SimpleNamespace

from allmydata.storage.expirer import LeaseCheckingCrawler

storage = sys.argv[1]
crawler = LeaseCheckingCrawler(
    SimpleNamespace(sharedir=os.path.join(storage, "shares")),
    os.path.join(storage, "upstream.state"),
    os.path.join(storage, "upstream.history"),
    False, "age", None, None, ("mutable", "immutable"),
)
crawler.cpu_slice = 1e9
begin = time.perf_counter()
cpu_begin = time.process_time()
crawler.start_current_prefix(time.time())
print(json.dumps({
    "seconds": time.perf_counter() - begin,
    "cpuSeconds": time.process_time() - cpu_begin,
}))
