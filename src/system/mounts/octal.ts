/** mountinfo and fstab write space, tab, newline and backslash as a backslash and three octal digits: getmntent(3). */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
