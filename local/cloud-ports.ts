import { freePort, isFree } from './ports.ts'

/** Ports of the services that people and programs address, as API.md names them. */
const USUAL = {
  web: 8080,
  api: 8081,
  realtime: 8082,
  mqtt: 8883,
  sqs: 9324,
  firebase: 9099,
  aws: 9098,
  postgres: 5432,
  redis: 6379,
}

export type CloudPorts = Record<keyof typeof USUAL, number>

/** The usual port of each service when it is free, else a free one. `web` given must be free. `any`: free ones only. */
export async function choosePorts({ any, web }: { any: boolean; web?: number | undefined }): Promise<CloudPorts> {
  if (web !== undefined && !(await isFree(web))) {
    throw new Error(`Port ${web} is taken. Choose another for the web page: npm start -- --port N`)
  }
  const taken = new Set<number>()
  const ports: Partial<CloudPorts> = {}
  for (const [name, usual] of Object.entries(USUAL)) {
    const wanted = name === 'web' && web !== undefined ? web : any ? 0 : usual
    let port = await freePort(taken.has(wanted) ? 0 : wanted)
    while (taken.has(port)) port = await freePort()
    taken.add(port)
    ports[name as keyof CloudPorts] = port
  }
  return ports as CloudPorts
}
