// The page's own reader of a stream through the gateway.
const list = document.getElementById("frames");

async function start() {
  list.replaceChildren();
  const response = await fetch("via/exact/generate?n=10&interval=150ms");
  const reader = response.body.getReader();
  const text = new TextDecoder();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const item = document.createElement("li");
    item.textContent = text.decode(read.value, { stream: true });
    list.append(item);
  }
}

document.getElementById("start").addEventListener("click", start);
