/**
 * The key routes as hot routes of `HttpApp`: the same handlers without Nest and Fastify. What Fastify's router
 * would refuse is left to it.
 */
import type { HotRoutes } from '@kvstore/nest-kit';
import { HotExchange, KEY_FIELDS } from './key-exchange.ts';
import type { KeyRoutes } from './key-routes.ts';

export function hotKeyRoutes(routes: KeyRoutes): HotRoutes {
  return {
    methods: {
      GET: { body: false },
      PUT: { body: true },
      HEAD: { body: false },
      DELETE: { body: false },
    },
    prefix: '/api/v1/keys/',
    fields: KEY_FIELDS,
    serves: isRoutable,
    handler: (request) => {
      const exchange = new HotExchange(request);
      if (request.method === 'PUT') void routes.put(exchange);
      else if (request.method === 'DELETE') void routes.delete(exchange);
      else void routes.get(exchange);
    },
  };
}

/** The router decodes a path as a whole, and refuses one that is not percent-encoded UTF-8. */
function isRoutable(target: string): boolean {
  if (!target.includes('%')) return true;
  const question = target.indexOf('?');
  try {
    decodeURIComponent(question === -1 ? target : target.slice(0, question));
    return true;
  } catch {
    return false;
  }
}
