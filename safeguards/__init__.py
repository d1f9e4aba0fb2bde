"""What comes in and what goes out passes here.

In: `admit.admit` (uploaded pictures), `prompts.check_prompt` (words), `recipe.read` (the recipe inside a picture).
Out: `release.release` (safety check, then `recipe.stamp_png`, then the output folder's quota) and `zips.zip_files`.
"""
