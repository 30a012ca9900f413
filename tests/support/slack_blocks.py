"""Reads bodies for Slack, one JSON a line, and says of each what Slack's own library makes of its blocks."""

import json
import sys

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

for line in sys.stdin:
    blocks = json.loads(line)["blocks"]
    try:
        # What the library does not know is lost on the way.
        read = [block.to_dict() for block in Block.parse_all(blocks)]
        print("valid" if read == blocks else f"read as {json.dumps(read)}")
    except SlackObjectFormationError as error:
        print(error)
