"""What comes in and what goes out passes here.

In: `admit.admit` (uploaded pictures), `admit_video.admit_video` (uploaded videos), `prompts.check_prompt` (words),
`recipe.read` (the recipe inside a picture or a film).
Out: `release.release` and `release_video` (safety check, then the stamp with the recipe, then the output folder's
quota) and `zips.zip_files`.
"""
