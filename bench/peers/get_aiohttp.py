"""Print the content of a URL with aiohttp."""

import asyncio
import sys

import aiohttp


async def main(url: str) -> None:
    """Get it."""
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        sys.stdout.buffer.write(await response.read())


asyncio.run(main(sys.argv[1]))
