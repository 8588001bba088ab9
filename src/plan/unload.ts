import { unload as unloadImage } from '../engine/unload.ts'
import { noteUnload } from '../trial/last/note.ts'
import { endLoadedTrial } from './trial/recording.ts'

/**
 * Unloads the loaded kernel, or with `panic` the crash kernel, no matter which call loaded it, and ends the trial that it
 * was loaded for. It is not an error when none is loaded.
 * @throws KexecError 'no-capability', …; 'busy' while another linux-kexec is at work
 */
export function unload({ panic = false }: { readonly panic?: boolean } = {}): void {
  unloadImage({ panic })
  if (panic) return
  endLoadedTrial('It was unloaded.')
  noteUnload()
}
