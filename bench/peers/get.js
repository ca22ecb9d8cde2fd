// Print the content of a URL with node's fetch.
fetch(process.argv[2], { signal: AbortSignal.timeout(5000) })
  .then((response) => response.arrayBuffer())
  .then((content) => process.stdout.write(Buffer.from(content)));
