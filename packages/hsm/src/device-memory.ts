/** Room for keys in a device. */
export interface DeviceMemory {
  readonly totalBytes: number
  readonly freeBytes: number
}
