// TUS as @tus/server has it, with the few answers about uploads and sessions that Scriptix gives beside it.
// node server.mjs DIRECTORY [count]: prints the URL of its API, and ends when its standard input does; with "count" it
// does not read what it has received.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const [directory, count] = process.argv.slice(2)
const api = '/api/v3'
const completed = [] // { id, sha256 }, once for each time that an upload was finished
const datastore = new FileStore({ directory })

const tus = new Server({
  path: `${api}/files`,
  datastore,
  async onUploadFinish(_request, upload) {
    if (count) return {}
    const hash = createHash('sha256')
    await pipeline(createReadStream(path.join(directory, upload.id)), hash)
    completed.push({ id: upload.id, sha256: hash.digest('hex') })
    return {}
  },
})

const sessionOf = (id) => (completed.some((upload) => upload.id === id) ? `session-${id}` : null)
const wrapped = (result) => ({ count: 1, total_results: 1, result })

async function answer(url) {
  const [, file] = url.match(`^${api}/files/([^/]+)$`) ?? []
  if (file) {
    const upload = await datastore.getUpload(file).catch(() => null)
    return upload && wrapped({ session_id: sessionOf(file), metadata: upload.metadata })
  }
  const [, session] = url.match(`^${api}/speech-to-text/session/session-([^/]+)/result$`) ?? []
  if (session && sessionOf(session)) {
    const words = [['so', 0.5, 0.9, 0.9], ['it', 1.0, 1.2, 0.9], ['ends', 1.3, 1.9, 0.9]]
    const results = [{ result: words, speaker: 'unk', text: 'so it ends', sconf: 0.9, channel: 0 }]
    return wrapped({ session_id: `session-${session}`, status: 'done', error: null, duration: 3.0, results })
  }
  return url === '/completed' ? completed : null
}

const server = createServer(async (request, response) => {
  if (request.method !== 'GET') return tus.handle(request, response)
  const body = await answer(request.url)
  response.writeHead(body ? 200 : 404, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(body ?? { error: 'Not Found', message: 'There is nothing of that name.' }))
})

server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}${api}`))
process.stdin.on('end', () => process.exit(0)).resume()
