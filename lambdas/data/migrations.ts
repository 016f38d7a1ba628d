import type { Migration } from 'kysely/migration'
import * as tables from './migrations/0001-tables.ts'
import * as telemetry from './migrations/0002-telemetry.ts'
import * as storeTelemetry from './migrations/0003-store-telemetry.ts'
import * as partitions from './migrations/0004-partitions.ts'
import * as roles from './migrations/0005-roles-and-row-security.ts'
import * as quarantine from './migrations/0006-quarantine.ts'
import * as presence from './migrations/0007-presence.ts'
import * as rollups from './migrations/0008-rollups.ts'
import * as completeness from './migrations/0009-completeness.ts'
import * as tenantLifecycle from './migrations/0010-tenant-lifecycle.ts'
import * as reconcilingGateways from './migrations/0011-reconciling-gateways.ts'
import * as alarms from './migrations/0012-alarms.ts'
import * as writeAlarms from './migrations/0012-write-alarms.ts'
import * as archive from './migrations/0013-archive.ts'
import * as exports from './migrations/0014-exports.ts'

/**
 * Every migration, by the name under which the database remembers it. A record and no folder scan, as they are bundled.
 * A deployed one is never changed: add another.
 */
export const migrations: Record<string, Migration> = {
  '0001-tables': tables,
  '0002-telemetry': telemetry,
  '0003-store-telemetry': storeTelemetry,
  '0004-partitions': partitions,
  '0005-roles-and-row-security': roles,
  '0006-quarantine': quarantine,
  '0007-presence': presence,
  '0008-rollups': rollups,
  '0009-completeness': completeness,
  '0010-tenant-lifecycle': tenantLifecycle,
  '0011-reconciling-gateways': reconcilingGateways,
  '0012-alarms': alarms,
  '0012-write-alarms': writeAlarms,
  '0013-archive': archive,
  '0014-exports': exports,
}
