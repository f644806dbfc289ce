// Follow the system's light or dark until the person chooses; Chainlit itself would begin dark.
if (!localStorage.getItem('vite-ui-theme')) localStorage.setItem('vite-ui-theme', 'system')
