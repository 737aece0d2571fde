// A worker that calls functions of modules.

self.onmessage = async ({ data: { module, name, args } }) => {
  try {
    const functions = await import(/* @vite-ignore */ module)
    self.postMessage({ value: await functions[name](...args) })
  } catch (error) {
    self.postMessage({ error })
  }
}
