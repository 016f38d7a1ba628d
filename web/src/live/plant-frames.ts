import type { LiveServerMessage } from '../../../schemas/live.ts'

export type SnapshotFrame = Extract<LiveServerMessage, { type: 'snapshot' }>
export type DeltaFrame = Extract<LiveServerMessage, { type: 'delta' }>

export interface PlantFramesEvents {
  /** All parts of a snapshot: what is not in it does not exist. */
  snapshot(parts: SnapshotFrame[]): void
  delta(frame: DeltaFrame): void
  /** A frame is missing: subscribe again. */
  gap(): void
}

/**
 * The order of one plant's frames. A machine's state in a delta is whole and the newest reading wins (plant-picture.ts), so an
 * early, late or repeated delta can be shown at once and never does harm; versions only tell whether one was lost.
 * Deltas that come while a snapshot is awaited are kept, because they may be newer than it.
 */
export function createPlantFrames(events: PlantFramesEvents) {
  /** Version of the picture shown; undefined until the first snapshot is whole. */
  let version: number | undefined
  /** Parts of that version's delta that have not come. */
  let missing = new Set<number>()
  let awaiting = true
  let parts = new Map<number, SnapshotFrame>()
  let kept: DeltaFrame[] = []

  function receiveDelta(frame: DeltaFrame): void {
    if (version !== undefined) events.delta(frame)
    if (awaiting) kept.push(frame)
    else follow(frame)
  }

  function follow(frame: DeltaFrame): void {
    if (frame.version === version) {
      missing.delete(frame.part)
    } else if (version !== undefined && frame.version === version + 1 && missing.size === 0) {
      version = frame.version
      missing = new Set(Array.from({ length: frame.parts }, (_, index) => index + 1))
      missing.delete(frame.part)
    } else {
      awaiting = true
      kept = [frame]
      events.gap()
    }
  }

  function receiveSnapshot(frame: SnapshotFrame): void {
    if ([...parts.values()].some((part) => part.version !== frame.version)) parts = new Map()
    parts.set(frame.part, frame)
    if (parts.size < frame.parts) return
    events.snapshot([...parts.values()])
    parts = new Map()
    version = frame.version
    missing = new Set()
    awaiting = false
    const newer = kept.filter((delta) => delta.version > frame.version)
    kept = []
    for (const delta of newer.toSorted((a, b) => a.version - b.version || a.part - b.part)) receiveDelta(delta)
  }

  return {
    /** What the server's last frame was, while nothing comes: the last one of all, or a part of it, can be lost too. */
    told(newest: number): void {
      if (awaiting || version === undefined || newest < version) return
      if (newest === version && missing.size === 0) return
      awaiting = true
      kept = []
      events.gap()
    },
    /** A subscribe went out: its snapshot will be newer than everything kept so far. */
    subscribed(): void {
      awaiting = true
      parts = new Map()
      kept = []
    },
    receive(frame: SnapshotFrame | DeltaFrame): void {
      if (frame.type === 'snapshot') receiveSnapshot(frame)
      else receiveDelta(frame)
    },
  }
}
