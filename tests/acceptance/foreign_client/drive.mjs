// Drives the npm package portfolio-manager, of which we have written nothing, by what the test says on stdin:
// {"url", "username", "password", "calls": [[method, ...arguments], …]}. Each call's outcome goes to stdout, in order.

import { text } from "node:stream/consumers";
import { PortfolioManager, PortfolioManagerApi, PortfolioManagerApiError } from "portfolio-manager";

const { url, username, password, calls } = JSON.parse(await text(process.stdin));
const client = new PortfolioManager(new PortfolioManagerApi(url, username, password));

const outcomes = [];
for (const [method, ...args] of calls) {
  try {
    outcomes.push({ answer: (await client[method](...args)) ?? null });
  } catch (error) {
    if (!(error instanceof PortfolioManagerApiError)) throw error;
    outcomes.push({ refused: error.status, text: error.responseText });
  }
}
process.stdout.write(JSON.stringify(outcomes));
