/** The migrated database that each test file gets a copy of. */
export const TEMPLATE_DATABASE = 'telemetry_template'

/** Of iot_ingest, iot_api and iot_admin alike. */
export const ROLE_PASSWORD = 'role-password-of-the-tests'
