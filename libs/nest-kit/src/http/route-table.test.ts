import { RouteTable } from './route-table.ts';

const routes = new RouteTable();
routes.add('GET', '/a');
routes.add(['PUT', 'GET'], '/keys/*');

test.each([
  ['/a', ['GET']],
  ['/a/', []],
  ['/keys/', ['GET', 'PUT']],
  ['/keys/x/y', ['GET', 'PUT']],
  ['/keys', []],
  ['/', []],
])('%s has the methods %p', (path, methods) => {
  expect(routes.methodsOf(path)).toEqual(methods);
});
