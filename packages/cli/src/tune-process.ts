import { setFlagsFromString } from 'node:v8'

/**
 * Fits V8 to a process whose data lie outside of its heap and pass by in megabytes. To be called once,
 * at the start, by a program that is nothing but a node or a few of them: it is for the whole process.
 *
 * By default V8 takes what passes by for a heap that grows: it makes room for new objects, tens of
 * megabytes of garbage, and walks through all of the old ones several times a second, which takes a third as
 * long as everything else that an upload does.
 */
export function tuneProcess(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=100')
}

/**
 * The same for a storage server. What clients store comes in small pieces, which V8 collects when they are 32
 * MB together: more than its heap, which must not be taken for full by then.
 */
export function tuneForStorage(): void {
  setFlagsFromString('--heap-growing-percent=300')
}
