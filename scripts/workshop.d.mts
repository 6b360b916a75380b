export function inWorkshop<Result>(
  parent: string,
  prefix: string,
  work: (workshop: string) => Promise<Result>,
): Promise<Result>;
