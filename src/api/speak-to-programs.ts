import { speakToPrograms } from '../option-name.ts'

// Imported first of all: sentences that are made when a file is loaded are for the author of a program, too.
speakToPrograms()
