"""Arrow keys on the maps of the heads, in a real browser."""

from app.components import asset
from tests.app import test_browser as inspector
from tests.app.test_browser import wait_for_maps

pytestmark = inspector.pytestmark
address, browser = inspector.address, inspector.browser


def test_arrow_keys_move_the_weight_that_is_taken_apart(browser, address):
    context = browser.new_context(viewport={"width": 1366, "height": 1600})
    page = context.new_page()
    source = "source_row=0.4688&source_column=0.4688"  # row 8, column 8
    page.goto(f"{address}/?layer=2.1&heads=0&{source}", wait_until="domcontentloaded")
    wait_for_maps(page)
    page.get_by_text("from the one in row 8, column 8").wait_for()
    length = page.evaluate("history.length")
    page.locator("[data-id='1 positional']").press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    page.get_by_text("Head 2: how much").wait_for()
    page.get_by_text("from the one in row 6, column 9").wait_for()
    page.wait_for_url(lambda url: "source_row=0.3438&source_column=0.5312" in url)
    assert page.evaluate("history.length") == length + 1
    context.close()


def test_a_late_answer_does_not_take_the_dot_back(browser):
    """The script alone: the server answers to the first key after the second was pressed."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content('<div class="strip"></div>')
    said, drawn = page.evaluate(
        """async (code) => {
          const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
          const strip = (await import(url)).default;
          const said = [], drawn = [];
          const panel = { id: "0 content", title: "", url: "", alt: "", cell: [], notes: [] };
          const answer = (column, row) => {
            const source = [column / 4, row / 4, 1 / 4, 1 / 4];
            strip({
              data: {
                buttons: true, picture: "", rows: [{ title: "", panels: [{ ...panel, source }] }],
              },
              parentElement: document.body,
              setTriggerValue: (_, place) => said.push(place),
            });
            drawn.push(document.querySelector(".source").style.left);
          };
          const press = (key) =>
            document.querySelector(".panel").dispatchEvent(new KeyboardEvent("keydown", { key }));
          answer(1, 2);
          press("ArrowRight");
          press("ArrowRight");
          answer(2, 2);
          press("ArrowRight");  // beyond the edge
          press("ArrowDown");
          answer(3, 3);  // the server has caught up: from now on it is right
          answer(0, 0);
          press("Tab");
          press("ArrowRight");
          document.querySelector(".panel").click();
          answer(2, 0);  // of the key before the click
          return [said.map((each) => [each.column * 4 - 0.5, each.row * 4 - 0.5]), drawn];
        }""",
        asset("strip.js"),
    )
    cells = [[2, 2], [3, 2], [3, 2], [3, 3], [1, 0]]
    assert said[:5] == cells
    assert drawn == ["25%", "75%", "75%", "0%", "50%"]
    context.close()
