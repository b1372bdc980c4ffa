/** What a figure depends on besides the code: the machine and the file system under the data. */
import { statfsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** f_type of statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x01021994: 'tmpfs',
  0x0000ef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x794c7630: 'overlay',
};

export interface Machine {
  readonly cpus: number;
  readonly model: string | undefined;
  readonly memoryGB: number;
  readonly node: string;
  readonly fileSystem: string;
}

export function machine(dataDirectory: string): Machine {
  const { type } = statfsSync(dataDirectory);
  return {
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryGB: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
    fileSystem: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`,
  };
}
