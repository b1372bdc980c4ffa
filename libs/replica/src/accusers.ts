/**
 * Whose log does not continue this replica's chain, of the nodes whose consensus was asked for the next
 * entry. What one of them says may be its own fault; two that say so are believed.
 */
import type { Chain, NodeId } from '@kvstore/std';

const ACCUSERS = 2;

export class Accusers {
  readonly #nodes = new Set<NodeId>();
  #chain: Chain | undefined;

  /** Returns whether `node` was one too many, of `nodes` that can be asked, for a replica at `chain`. */
  accuse(node: NodeId, chain: Chain, nodes: number): boolean {
    if (chain !== this.#chain) this.#nodes.clear();
    this.#chain = chain;
    this.#nodes.add(node);
    return this.#nodes.size >= Math.min(ACCUSERS, nodes);
  }
}
