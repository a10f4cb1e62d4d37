// What the tests import by a path.
export const found = 'beside the tests';
