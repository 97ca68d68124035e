// Draw every chart of a report from its JSON. Without JavaScript the tables below the charts stay open.
document.documentElement.classList.add("drawn");
Chart.defaults.animation = false;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.locale = "en-US";
Chart.defaults.color = "#222";
for (const figure of document.querySelectorAll("figure")) {
  new Chart(figure.querySelector("canvas"), JSON.parse(figure.querySelector("script").textContent));
  figure.querySelector("details").open = false;
}
