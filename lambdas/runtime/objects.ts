/** Objects of one bucket. Whatever is not there is an error of the SDK's (`NoSuchKey`). */
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { runBounded } from './run-bounded.ts'

const PART_BYTES = 8 * 2 ** 20
const AT_ONCE = 8

export class Objects {
  readonly #client: S3Client
  readonly #Bucket: string

  constructor(
    bucket: string,
    client = new S3Client({ forcePathStyle: process.env['AWS_ENDPOINT_URL_S3'] !== undefined }),
  ) {
    this.#Bucket = bucket
    this.#client = client
  }

  /** In parts when it is large; nothing is there before all of it is. Parts of a failure are removed by the bucket's lifecycle. */
  async put(Key: string, Body: Buffer | Readable, ContentType: string): Promise<void> {
    const params = { Bucket: this.#Bucket, Key, Body, ContentType }
    await new Upload({
      client: this.#client,
      params,
      partSize: PART_BYTES,
      queueSize: 2,
      leavePartsOnError: true,
    }).done()
  }

  async putFile(key: string, path: string, contentType: string): Promise<void> {
    await this.put(key, createReadStream(path), contentType)
  }

  /** All of it, or the bytes from `start` on and before `end`. */
  async get(Key: string, part?: { start: number; end: number }): Promise<Uint8Array<ArrayBuffer>> {
    const Range = part && `bytes=${part.start}-${part.end - 1}`
    const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#Bucket, Key, Range }))
    return (await Body!.transformToByteArray()) as Uint8Array<ArrayBuffer>
  }

  async copy(from: string, to: string): Promise<void> {
    const CopySource = `${this.#Bucket}/${from.split('/').map(encodeURIComponent).join('/')}`
    await this.#client.send(new CopyObjectCommand({ Bucket: this.#Bucket, CopySource, Key: to }))
  }

  async list(Prefix: string): Promise<string[]> {
    const keys: string[] = []
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client: this.#client },
      { Bucket: this.#Bucket, Prefix },
    ))
      keys.push(...Contents.map(({ Key }) => Key!))
    return keys
  }

  /** What is not there is no error. */
  async remove(keys: string[]): Promise<void> {
    await runBounded(keys, AT_ONCE, async (Key) => {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#Bucket, Key }))
    })
  }

  /** Whoever has it may get the object for that long, and for no longer than the role's own credentials last. */
  url(Key: string, options: { expiresInSec: number; fileName: string }): Promise<string> {
    const ResponseContentDisposition = `attachment; filename="${options.fileName}"`
    const command = new GetObjectCommand({ Bucket: this.#Bucket, Key, ResponseContentDisposition })
    return getSignedUrl(this.#client, command, { expiresIn: options.expiresInSec })
  }
}
