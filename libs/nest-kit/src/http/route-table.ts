/** The routes of an application, to tell a wrong method (405) from a wrong path (404). */

interface Route {
  /** Without a trailing `*`. */
  readonly path: string;
  readonly wildcard: boolean;
  readonly methods: Set<string>;
}

export class RouteTable {
  readonly #routes = new Map<string, Route>();

  add(methods: string | readonly string[], pattern: string): void {
    const wildcard = pattern.endsWith('*');
    const route = this.#routes.get(pattern) ?? {
      path: wildcard ? pattern.slice(0, -1) : pattern,
      wildcard,
      methods: new Set<string>(),
    };
    for (const method of typeof methods === 'string' ? [methods] : methods)
      route.methods.add(method);
    this.#routes.set(pattern, route);
  }

  /** The methods that `path` (without a query) has, sorted; empty when there is no such route. */
  methodsOf(path: string): readonly string[] {
    const methods = new Set<string>();
    for (const route of this.#routes.values()) {
      const matches = route.wildcard ? path.startsWith(route.path) : path === route.path;
      if (matches) for (const method of route.methods) methods.add(method);
    }
    return Array.from(methods).sort();
  }
}
