function draw(target) {
  const data = target.querySelector('script');
  if (!data) return;
  const spec = JSON.parse(data.textContent), plot = document.createElement('div');
  data.remove();
  plot.className = 'plot';
  target.prepend(plot);
  target.classList.add('drawn');
  Plotly.newPlot(plot, spec.data, spec.layout, {responsive: true, displayModeBar: false});
}
const figures = document.querySelectorAll('.figure');
const seen = new IntersectionObserver(entries => entries.filter(one => one.isIntersecting).forEach(one => draw(one.target)), {rootMargin: '200px'});
figures.forEach(target => seen.observe(target));
window.addEventListener('beforeprint', () => {
  document.querySelectorAll('details').forEach(box => { box.open = true; });
  document.querySelectorAll('.figure:not(.pictured)').forEach(draw);
});
function follow() { const box = document.getElementById(location.hash.slice(1)); if (box && box.tagName === 'DETAILS') box.open = true; }
window.addEventListener('hashchange', follow); follow();
