// Draws the graph of a run on a canvas: what is in sight, once a frame at most, so that 10,000 steps stay smooth.
import { canvasColors, shapeOf } from "../lib/states.js";
import { short } from "../lib/text.js";

const TILE = 512;
const LARGEST = 2;
const READABLE = 0.42;
const PADDING = 24;
const MOST_FAR_EDGES = 4000;
/** A step that waits looks other once it has begun: it waits for people, a signal or its next attempt. */
function shown(state) {
  return state?.state === "waiting" && Object.keys(state.members ?? {}).length ? "pending" : (state?.state ?? "waiting");
}

const FONT = "system-ui, sans-serif";

/** Which things are near a place: each is in the tiles that its rectangle touches. */
class Tiles {
  constructor(things, rectangle) {
    this.things = things;
    this.tiles = new Map();
    this.wide = [];
    things.forEach((thing, index) => {
      const [x0, y0, x1, y1] = rectangle(thing).map((value) => Math.floor(value / TILE));
      if ((x1 - x0 + 1) * (y1 - y0 + 1) > 64) {
        this.wide.push(index);
        return;
      }
      for (let x = x0; x <= x1; x += 1)
        for (let y = y0; y <= y1; y += 1) {
          const key = `${x} ${y}`;
          const tile = this.tiles.get(key);
          if (tile) tile.push(index);
          else this.tiles.set(key, [index]);
        }
    });
  }

  within(left, top, right, bottom) {
    const [x0, y0, x1, y1] = [left, top, right, bottom].map((value) => Math.floor(value / TILE));
    if ((x1 - x0 + 1) * (y1 - y0 + 1) > this.tiles.size) return this.things;
    const found = new Set(this.wide);
    for (let x = x0; x <= x1; x += 1)
      for (let y = y0; y <= y1; y += 1) for (const index of this.tiles.get(`${x} ${y}`) ?? []) found.add(index);
    return Array.from(found, (index) => this.things[index]);
  }
}

function edgeRectangle({ points }) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.view = { x: 0, y: 0, scale: 1 };
    this.picture = null;
    this.states = new Map();
    this.selected = null;
    this.frame = 0;
    this.labels = new Map();
    this.wasMoved = false;
  }

  show(picture) {
    const isFirst = this.picture === null;
    this.picture = picture;
    this.nodes = new Tiles(picture.nodes, (node) => [node.x, node.y, node.x + node.w, node.y + node.h]);
    this.edges = new Tiles(picture.edges, edgeRectangle);
    this.boxes = new Tiles(picture.boxes, (box) => [box.x, box.y, box.x + box.w, box.y + box.h]);
    this.labels.clear();
    if (isFirst || !this.wasMoved) this.fit();
    this.soon();
  }

  get size() {
    return [this.canvas.clientWidth || 1, this.canvas.clientHeight || 1];
  }

  get least() {
    const [width, height] = this.size;
    const { width: w, height: h } = this.picture;
    return Math.min(1, (width - 2 * PADDING) / w, (height - 2 * PADDING) / h);
  }

  /** All of it if that can be read, else its beginning as large as can be read. */
  fit(whole = false) {
    if (!this.picture) return;
    const [width, height] = this.size;
    const scale = whole ? this.least : Math.max(this.least, Math.min(1, 0.8));
    this.view = { scale: this.least >= READABLE ? Math.max(this.least, READABLE) : scale, x: 0, y: 0 };
    const { scale: s } = this.view;
    const center = (room, length) => (length * s <= room ? (room - length * s) / 2 : PADDING);
    this.view.x = center(width, this.picture.width);
    this.view.y = center(height, this.picture.height);
    if (!whole && this.picture.height * s > height) this.view.y = Math.min(PADDING, height / 2 - this.firstRow() * s);
    this.soon();
  }

  firstRow() {
    const first = this.picture.nodes[0];
    return first ? first.y + first.h / 2 : 0;
  }

  zoom(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    const { scale } = this.view;
    const next = Math.min(LARGEST, Math.max(Math.min(this.least, READABLE), scale * factor));
    this.view.x = x - ((x - this.view.x) * next) / scale;
    this.view.y = y - ((y - this.view.y) * next) / scale;
    this.view.scale = next;
    this.moved();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.moved();
  }

  moved() {
    this.wasMoved = true;
    const [width, height] = this.size;
    const { scale } = this.view;
    const hold = (value, room, length) =>
      Math.min(room - 2 * PADDING, Math.max(2 * PADDING - length * scale, value));
    this.view.x = hold(this.view.x, width, this.picture.width);
    this.view.y = hold(this.view.y, height, this.picture.height);
    this.soon();
  }

  /** Whether a pan in this direction shows more of the picture. */
  canPan(dx, dy) {
    const [width, height] = this.size;
    const { x, y, scale } = this.view;
    return (
      (dx > 0 && x + this.picture.width * scale > width - PADDING) ||
      (dx < 0 && x < PADDING) ||
      (dy > 0 && y + this.picture.height * scale > height - PADDING) ||
      (dy < 0 && y < PADDING)
    );
  }

  reveal(node) {
    const [width, height] = this.size;
    const { scale, x, y } = this.view;
    const left = node.x * scale + x;
    const top = node.y * scale + y;
    if (left >= 0 && top >= 0 && left + node.w * scale <= width && top + node.h * scale <= height && scale >= READABLE) return;
    if (scale < READABLE) this.view.scale = 0.8;
    this.view.x = width / 2 - (node.x + node.w / 2) * this.view.scale;
    this.view.y = height / 2 - (node.y + node.h / 2) * this.view.scale;
    this.moved();
  }

  hit(x, y) {
    const px = (x - this.view.x) / this.view.scale;
    const py = (y - this.view.y) / this.view.scale;
    return this.nodes
      .within(px, py, px, py)
      .find((node) => px >= node.x && py >= node.y && px <= node.x + node.w && py <= node.y + node.h);
  }

  soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    const { canvas, context, picture, view } = this;
    if (!picture || !canvas.isConnected) return;
    const [width, height] = this.size;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const colors = canvasColors();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.translate(view.x, view.y);
    context.scale(view.scale, view.scale);
    const sight = [-view.x, -view.y, width - view.x, height - view.y].map((value) => value / view.scale);
    this.drawBoxes(this.boxes.within(...sight), colors);
    this.drawEdges(this.edges.within(...sight), colors);
    this.drawNodes(this.nodes.within(...sight), colors);
    canvas.dataset.drawn = true;
    canvas.dataset.nodes = picture.nodes.length;
  }

  drawBoxes(boxes, colors) {
    const { context, view } = this;
    context.lineWidth = 1 / Math.min(1, view.scale);
    for (const box of boxes) {
      context.fillStyle = colors.box;
      context.strokeStyle = colors.line;
      context.beginPath();
      context.roundRect(box.x, box.y, box.w, box.h, 12);
      context.fill();
      context.stroke();
      if (view.scale < READABLE) continue;
      context.fillStyle = colors.muted;
      context.font = `600 11px ${FONT}`;
      context.textBaseline = "top";
      context.fillText(this.cut(box.label ?? box.loop_id, box.w - 20, 11), box.x + 10, box.y + 7);
    }
  }

  drawEdges(edges, colors) {
    const { context, view } = this;
    if (view.scale < READABLE / 2 && edges.length > MOST_FAR_EDGES) return;
    context.strokeStyle = colors.line;
    context.lineWidth = Math.max(1.5, 0.8 / view.scale);
    for (const isBranch of [false, true]) {
      context.setLineDash(isBranch ? [5, 4] : []);
      context.beginPath();
      for (const { branch, points } of edges) {
        if (Boolean(branch) !== isBranch || points.length < 2) continue;
        this.trace(points);
      }
      context.stroke();
    }
    context.setLineDash([]);
    if (view.scale < READABLE) return;
    context.fillStyle = colors.line;
    context.beginPath();
    for (const { points } of edges) {
      const [x, y] = points[points.length - 1];
      context.moveTo(x, y);
      context.lineTo(x - 7, y - 4);
      context.lineTo(x - 7, y + 4);
      context.closePath();
    }
    context.fill();
  }

  trace(points) {
    const { context } = this;
    context.moveTo(...points[0]);
    for (let index = 1; index < points.length; index += 1) {
      const [x0, y0] = points[index - 1];
      const [x, y] = points[index];
      if (y0 === y) context.lineTo(x, y);
      else {
        const middle = (x0 + x) / 2;
        context.bezierCurveTo(middle, y0, middle, y, x, y);
      }
    }
  }

  drawNodes(nodes, colors) {
    const { context, view, states } = this;
    const isFar = view.scale < READABLE;
    context.textBaseline = "alphabetic";
    for (const node of nodes) {
      const state = states.get(node.id);
      const name = shown(state);
      const color = colors[name] ?? colors.waiting;
      if (isFar) {
        context.fillStyle = color;
        context.globalAlpha = name === "waiting" || name === "skipped" ? 0.35 : 1;
        context.fillRect(node.x, node.y, node.w, node.h);
        context.globalAlpha = 1;
        continue;
      }
      context.fillStyle = colors.surface;
      context.strokeStyle = this.selected === node.id ? colors.accent : name === "waiting" ? colors.line : color;
      context.lineWidth = this.selected === node.id ? 3 : name === "running" ? 2 : 1.2;
      context.beginPath();
      context.roundRect(node.x, node.y, node.w, node.h, 8);
      context.fill();
      context.stroke();
      this.drawInside(node, state, name, color, colors);
    }
  }

  drawInside(node, state, name, color, colors) {
    const { context } = this;
    const middle = node.y + node.h / 2;
    context.save();
    context.translate(node.x + 8, middle - 8);
    context.strokeStyle = color;
    context.lineWidth = 1.8;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.stroke(shapeOf(name));
    context.restore();
    const below = this.detail(node, state);
    const room = node.w - 38;
    context.fillStyle = colors.text;
    context.font = `500 13px ${FONT}`;
    context.fillText(this.cut(node.label ?? node.step_id, room, 13), node.x + 30, below ? middle - 2 : middle + 4.5);
    if (!below) return;
    context.fillStyle = colors.muted;
    context.font = `11px ${FONT}`;
    context.fillText(this.cut(below, room, 11), node.x + 30, middle + 13);
  }

  detail(node, state) {
    if (node.h < 36) return "";
    const parts = node.detail ? [node.detail] : [];
    const done = state?.items?.completed ?? state?.completed;
    if (node.does === "items") {
      if (state?.items) parts.push(`${done} of ${state.items.items}`);
      else if (done) parts.push(`${done} done`);
    } else if (node.quorum) {
      parts.push(`${node.quorum.n} of ${node.quorum.m}${done ? `, ${done} done` : ""}`);
    }
    return parts.join(" \u00b7 ");
  }

  /** The text as it fits; measured once. */
  cut(text, room, size) {
    const key = `${size} ${Math.round(room)} ${text}`;
    let found = this.labels.get(key);
    if (found === undefined) {
      found = short(text, 80);
      while (found.length > 1 && this.context.measureText(found).width > room) found = `${found.replace(/\u2026$/, "").slice(0, -1)}\u2026`;
      if (this.labels.size > 20000) this.labels.clear();
      this.labels.set(key, found);
    }
    return found;
  }
}
