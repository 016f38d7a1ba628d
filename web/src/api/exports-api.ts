import { type CreateExport, Export, ExportPage, ExportWithUrl } from '../../../schemas/exports.ts'
import type { ApiClient } from './client.ts'
import { queryOf } from './query.ts'

/** The calls about files of readings. */
export interface ExportsApi {
  createExport(wanted: CreateExport): Promise<Export>
  export(exportId: string): Promise<ExportWithUrl>
  /** The newest ones of a machine. */
  exports(machineId: string, limit: number): Promise<Export[]>
}

export function createExportsApi(client: ApiClient): ExportsApi {
  return {
    createExport: (wanted) => client.post(Export, '/v1/exports', wanted),
    export: (exportId) => client.get(ExportWithUrl, `/v1/exports/${exportId}`),
    async exports(machineId, limit) {
      return (await client.get(ExportPage, `/v1/exports${queryOf({ machineId, limit })}`)).items
    },
  }
}
