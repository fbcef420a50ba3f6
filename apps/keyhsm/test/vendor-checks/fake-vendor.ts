/** Small scripts in the place of vendors' tools, which print what the vendors document. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DeviceSettings } from '../../src/backend-configuration.js'
import type { VendorSurroundings } from '../../src/vendor-checks/finding.js'

export class FakeVendor {
  readonly root: string

  private constructor(root: string) {
    this.root = root
  }

  static async make(): Promise<FakeVendor> {
    return new FakeVendor(await mkdtemp(join(tmpdir(), 'keyhsm-vendor-')))
  }

  /** Installs a tool at its place; `body` is a shell script. */
  async install(place: string, body: string): Promise<void> {
    const path = join(this.root, place)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `#!/bin/sh\n${body}\n`)
    await chmod(path, 0o755)
  }

  /** A tool that prints `text` and ends with `status`. */
  async prints(place: string, text: string, status = 0): Promise<void> {
    await this.install(place, `cat <<'END'\n${text}\nEND\nexit ${status}`)
  }

  /** `getent` and `id` of a machine with this group, in which `members` are. */
  async hasGroup(group: string, ...members: string[]): Promise<void> {
    await this.install('/usr/bin/getent', `[ "$2" = ${group} ] && echo "${group}:x:990:" || exit 2`)
    const cases = members.map((member) => `${member}) echo "${member} ${group}";;`).join(' ')
    await this.install('/usr/bin/id', `case "$2" in ${cases} *) echo "$2";; esac`)
  }

  surroundings(device: DeviceSettings, more: Partial<VendorSurroundings> = {}): VendorSurroundings {
    return {
      device,
      folder: this.root,
      user: 'keyhsm',
      deviceUser: undefined,
      path: '/usr/bin:/bin',
      root: this.root,
      ...more,
    }
  }

  async dispose(): Promise<void> {
    await rm(this.root, { recursive: true, force: true })
  }
}
