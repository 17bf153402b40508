#!/usr/bin/env node
import { main } from '@lafs/grid-manager'

await main()
