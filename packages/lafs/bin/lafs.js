#!/usr/bin/env node
import { main } from '@lafs/cli'

await main()
