// Whether the page is as narrow as a phone: lists have rows of another height then.
import { useEffect, useState } from "../vendor/htm-preact.js";

const NARROW = matchMedia("(max-width: 760px)");

export function useNarrow() {
  const [isNarrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const changed = () => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", changed);
    return () => NARROW.removeEventListener("change", changed);
  }, []);
  return isNarrow;
}
