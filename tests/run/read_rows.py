"""Reads rows of a collection with Milvus's own client and prints them as JSON, one a line, vectors as hex of their bytes.

    read_rows.py HOST PORT COLLECTION VECTOR FIRST LAST
"""

import json
import struct
import sys

from pymilvus import Collection, DataType, connections

host, port, name, vector, first, last = sys.argv[1:]
connections.connect(host=host, port=port)
collection = Collection(name)
fields = {field.name: field.dtype for field in collection.schema.fields}
rows = collection.query(
    expr=f"id >= {first} and id < {last}", output_fields=list(fields), consistency_level="Strong"
)
for row in rows:
    if fields[vector] == DataType.FLOAT_VECTOR:
        row[vector] = struct.pack(f"<{len(row[vector])}f", *row[vector]).hex()
    else:
        row[vector] = b"".join(row[vector]).hex()
    # Some values come as numpy's own floats.
    print(json.dumps({field: row[field] for field in fields}, default=float))
