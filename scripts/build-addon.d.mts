export function forgetIfGone(build: string): Promise<void>;
