import {
  createSigningKeypair,
  EncodingError,
  signingKeypairFromString,
  stringFromSigningKey,
  stringFromVerifyingKey,
} from '@lafs/crypto'
import type { SigningKeypair } from '@lafs/crypto'
import { readCapWord } from '../cap-word.ts'
import { CommandError } from '../failure.ts'
import type { CommandContext } from '../command-context.ts'
import { writeOutcome } from '../outcome.ts'
import type { JsonOption } from '../outcome.ts'

/** Makes a key pair and prints it. @see allmydata.scripts.admin.print_keypair */
export async function generateKeypairCommand(
  context: CommandContext,
  options: JsonOption,
): Promise<void> {
  await printKeypair(context, createSigningKeypair(), options)
}

/**
 * Prints a private key and the public one that goes with it.
 *
 * @param word - the private key; `-`: it comes from standard input.
 * @see allmydata.scripts.admin.derive_pubkey
 */
export async function derivePubkeyCommand(
  context: CommandContext,
  word: string,
  options: JsonOption,
): Promise<void> {
  const text = await readCapWord(context.terminal, word)
  try {
    await printKeypair(context, signingKeypairFromString(text), options)
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error
    throw new CommandError('CLI_BAD_KEY', 'expected a private key, priv-v0-…')
  }
}

async function printKeypair(
  context: CommandContext,
  { seed, publicKey }: SigningKeypair,
  options: JsonOption,
): Promise<void> {
  const [secret, identity] = [stringFromSigningKey(seed), stringFromVerifyingKey(publicKey)]
  await writeOutcome(context, options, `private: ${secret}\npublic: ${identity}`, {
    private: secret,
    public: identity,
  })
}
