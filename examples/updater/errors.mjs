/** An update that was refused or did not succeed. The machine is as it was. */
export class UpdateError extends Error {
  name = 'UpdateError'
}
